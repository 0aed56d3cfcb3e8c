# SPDX-License-Identifier: MIT
"""Mark the free records of the identity table and those of datagrams as being written.

usage: busy_records.py PIN ENTRIES
As if a program on another CPU were in the middle of each. Prints how
many.
"""
import struct
import sys

from identity_pin import BUCKET, HEAD, RECORD, WAYS, open_table

OWNER = 32

table = open_table(sys.argv[1], sys.argv[2])
marked = 0
for bucket in range(BUCKET, len(table), BUCKET):
    for way in range(WAYS):
        tag = struct.unpack_from("=I", table, bucket + 4 * way)[0]
        owner = struct.unpack_from("=I", table, bucket + OWNER + 4 * way)[0]
        if not tag or owner & 1:
            table[bucket + HEAD + RECORD * way] |= 1
            marked += 1
print(marked)

# SPDX-License-Identifier: MIT
"""Mark the free records of the identity table and those of datagrams as being written.

usage: busy_records.py PIN ENTRIES
As if a program on another CPU were in the middle of each. Knows nothing but the layout of
bpf/identity.h. Prints how many.
"""
import ctypes
import mmap
import os
import struct
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
BPF_OBJ_GET = 7
BUCKET, WAYS, HEAD, RECORD, OWNER = 1408, 8, 128, 160, 32

path = ctypes.create_string_buffer(sys.argv[1].encode())
attr = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(path), 0, 0), 128)
fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF, BPF_OBJ_GET, attr, len(attr))
assert fd >= 0, os.strerror(ctypes.get_errno())
table = mmap.mmap(fd, int(sys.argv[2]) * BUCKET)
marked = 0
for bucket in range(BUCKET, len(table), BUCKET):
    for way in range(WAYS):
        tag = struct.unpack_from("=I", table, bucket + 4 * way)[0]
        owner = struct.unpack_from("=I", table, bucket + OWNER + 4 * way)[0]
        if not tag or owner & 1:
            table[bucket + HEAD + RECORD * way] |= 1
            marked += 1
print(marked)

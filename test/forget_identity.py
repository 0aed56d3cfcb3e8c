# SPDX-License-Identifier: MIT
"""Overwrite the records of a process in the identity table, as newer ones would.

usage: forget_identity.py PIN ENTRIES PID [DST_PORT]
With DST_PORT: the record of that destination becomes one of another source port, whole and
with the tag that it had, as two connections may share one.
Prints how many there were.
"""
import struct
import sys

from identity_pin import BUCKET, HEAD, RECORD, WAYS, open_table

PID = 56

SRC_PORT, DST_PORT = 24, 26
# Of identity_check(): the first is that of netns, the others of the words behind it.
FACTORS = (
    0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93,
    0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53, 0x2545F4914F6CDD1D, 0x5851F42D4C957F2D,
    0xDA942042E4DD58B5, 0xAEF17502108EF2D9, 0x9FB21C651E98DF25, 0xA0761D6478BD642F,
    0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3, 0x1D8E4E27C47D124F,
)


def give_to_other_port(table, record):
    port = struct.unpack_from("=H", table, record + SRC_PORT)[0]
    struct.pack_into("=H", table, record + SRC_PORT, port ^ 1)
    words = list(struct.unpack_from("=16Q", table, record))
    words[0] = struct.unpack_from("=I", table, record + 4)[0]
    total = sum(word * factor for word, factor in zip(words, FACTORS))
    struct.pack_into("=I", table, record, total >> 32 & 0xFFFFFFFE)


table = open_table(sys.argv[1], sys.argv[2])
found = 0
for bucket in range(BUCKET, len(table), BUCKET):
    for way in range(WAYS):
        tag, record = bucket + 4 * way, bucket + HEAD + RECORD * way
        if table[tag : tag + 4] == bytes(4):
            continue
        if struct.unpack_from("=I", table, record + PID)[0] != int(sys.argv[3]):
            continue
        if len(sys.argv) == 4:
            table[tag : tag + 4] = bytes(4)
        elif struct.unpack_from("=H", table, record + DST_PORT)[0] == int(sys.argv[4]):
            give_to_other_port(table, record)
        else:
            continue
        found += 1
print(found)

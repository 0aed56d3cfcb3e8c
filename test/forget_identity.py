# SPDX-License-Identifier: MIT
"""Overwrite the records of a process in the identity table, as newer ones would.

usage: forget_identity.py PIN ENTRIES PID
Knows nothing but the layout of bpf/identity.h. Prints how many there were.
"""
import ctypes
import mmap
import os
import struct
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
BPF_OBJ_GET = 7
BUCKET, WAYS, HEAD, RECORD, PID = 768, 8, 64, 88, 32

path = ctypes.create_string_buffer(sys.argv[1].encode())
attr = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(path), 0, 0), 128)
fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF, BPF_OBJ_GET, attr, len(attr))
assert fd >= 0, os.strerror(ctypes.get_errno())
table = mmap.mmap(fd, int(sys.argv[2]) * BUCKET)
found = 0
for bucket in range(BUCKET, len(table), BUCKET):
    for way in range(WAYS):
        tag, record = bucket + 4 * way, bucket + HEAD + RECORD * way
        if table[tag : tag + 4] == bytes(4):
            continue
        if struct.unpack_from("=I", table, record + PID)[0] == int(sys.argv[3]):
            table[tag : tag + 4] = bytes(4)
            found += 1
print(found)

# SPDX-License-Identifier: MIT
"""The identity table as root may write it, for tests that play another program.

Knows nothing but the layout of bpf/identity.h.
"""
import ctypes
import mmap
import os
import struct

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
BPF_OBJ_GET = 7
BUCKET, WAYS, HEAD, RECORD = 1408, 8, 128, 160  # sizes in bytes, but for WAYS


def open_table(pin, entries):
    """Map the table that is pinned at PIN and has so many ENTRIES, its header included."""
    path = ctypes.create_string_buffer(pin.encode())
    attr = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(path), 0, 0), 128)
    fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF, BPF_OBJ_GET, attr, len(attr))
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return mmap.mmap(fd, int(entries) * BUCKET)

# SPDX-License-Identifier: MIT
"""Read a pinned map as existing readers do: bpf(2) by ctypes, layouts by hand.

usage: ctypes_reader.py PIN DST SRC_PORT DST_PORT tcp|udp; prints the PID.
Shares no code with connpin, so that a changed layout shows here.
"""
import ctypes
import os
import socket
import struct
import sys

NR_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
BPF_MAP_LOOKUP_ELEM, BPF_OBJ_GET = 1, 7
libc = ctypes.CDLL(None, use_errno=True)


class ObjGet(ctypes.Structure):
    _fields_ = [("pathname", ctypes.c_uint64), ("bpf_fd", ctypes.c_uint32), ("file_flags", ctypes.c_uint32)]


class LookupElem(ctypes.Structure):
    _fields_ = [("map_fd", ctypes.c_uint32), ("pad", ctypes.c_uint32), ("key", ctypes.c_uint64),
                ("value", ctypes.c_uint64), ("flags", ctypes.c_uint64)]


def bpf(cmd, attr):
    rc = libc.syscall(NR_BPF, cmd, ctypes.byref(attr), ctypes.sizeof(attr))
    if rc < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return rc


def main(pin, dst, src_port, dst_port, protocol):
    path = ctypes.create_string_buffer(pin.encode())
    fd = bpf(BPF_OBJ_GET, ObjGet(ctypes.addressof(path), 0, 8))  # BPF_F_RDONLY
    address = socket.inet_pton(socket.AF_INET6 if ":" in dst else socket.AF_INET, dst)
    ports = struct.pack("=HHB3x", int(src_port), int(dst_port), {"tcp": 6, "udp": 17}[protocol])
    key = ctypes.create_string_buffer(address + ports, len(address) + 8)
    value = ctypes.c_uint32()
    bpf(BPF_MAP_LOOKUP_ELEM, LookupElem(fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0))
    print(value.value)


main(*sys.argv[1:])

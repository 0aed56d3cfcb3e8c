# SPDX-License-Identifier: MIT
"""Sockets that share ports, and what one may do with them.

usage: forge.py WHAT SRC SRC_PORT DST DST_PORT [ARGUMENT]
WHAT: tcp      connects from SRC and SRC_PORT
      connect  connects a UDP socket
      send     sends a datagram
      nodev    sends one by a device that is not there: the kernel refuses it
      pktinfo  sends one whose source is ARGUMENT
SRC 0 and SRC_PORT 0 leave them to the kernel. Prints "PID SRC_PORT" and holds until
standard input ends. With HOLD=no the socket is closed before, the process stays.
"""
import os
import socket
import struct
import sys

what, src, src_port, dst, dst_port = sys.argv[1:6]
family = socket.AF_INET6 if ":" in dst else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM if what == "tcp" else socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
if src != "0" or src_port != "0":
    any_address = "::" if family == socket.AF_INET6 else "0.0.0.0"
    s.bind((any_address if src == "0" else src, int(src_port)))
to = (dst, int(dst_port))
if what in ("tcp", "connect"):
    s.connect(to)
elif what == "send":
    s.sendto(b"x", to)
else:
    source = socket.inet_aton(sys.argv[6] if what == "pktinfo" else "0.0.0.0")
    index = 999999 if what == "nodev" else 0
    info = struct.pack("=i4s4s", index, source, bytes(4))
    try:
        s.sendmsg([b"x"], [(socket.IPPROTO_IP, 8, info)], 0, to)
        assert what != "nodev", "the datagram should have been refused"
    except OSError:
        if what != "nodev":
            raise
print(os.getpid(), s.getsockname()[1], flush=True)
if os.environ.get("HOLD") == "no":
    s.close()
sys.stdin.read()

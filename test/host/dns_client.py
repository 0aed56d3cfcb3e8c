# SPDX-License-Identifier: MIT
"""dns_client.py ADDRESS PORT NAME [SRC_PORT]: ask for an A record, print "PID ADDRESS"."""

import os
import socket
import struct
import sys

address, port, name, *source_port = sys.argv[1:]
question = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
packet = struct.pack("!6H", os.getpid() & 0xFFFF, 0x100, 1, 0, 0, 0) + question + b"\0\0\1\0\1"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(10)
    if source_port:
        sock.bind(("", int(source_port[0])))
    sock.sendto(packet, (address, int(port)))
    answer = sock.recv(512)
print(os.getpid(), socket.inet_ntoa(answer[-4:]))

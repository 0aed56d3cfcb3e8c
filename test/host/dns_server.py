# SPDX-License-Identifier: MIT
"""dns_server.py ADDRESS PORT: answers each query with 192.0.2.99. "ready" when it listens."""

import socket
import struct
import sys

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    query, client = sock.recvfrom(512)
    answer = b"\xc0\x0c\0\1\0\1" + struct.pack("!IH", 60, 4) + socket.inet_aton("192.0.2.99")
    sock.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + answer, client)

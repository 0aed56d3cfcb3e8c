# SPDX-License-Identifier: MIT
"""A process that sends a datagram from one socket each time that it is told to.

usage: datagrams.py ADDRESS PORT [DESCRIPTOR]
Sends three, then prints "PID SOURCE_PORT". Of standard input a line "send" sends another one;
"exec FILE" executes this script by that interpreter, which goes on with the same socket. Each
prints such a line when it is done.
"""
import os
import socket
import sys

to = (sys.argv[1], int(sys.argv[2]))
if len(sys.argv) > 3:
    s = socket.socket(fileno=int(sys.argv[3]))
else:
    s = socket.socket(socket.AF_INET6 if ":" in to[0] else socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(3):
        s.sendto(b"x", to)
print(os.getpid(), s.getsockname()[1], flush=True)
while line := os.read(0, 4096).decode().split():
    if line[0] == "exec":
        os.set_inheritable(s.fileno(), True)
        os.execv(line[1], [line[1], *sys.argv[:3], str(s.fileno())])
    s.sendto(b"x", to)
    print(os.getpid(), s.getsockname()[1], flush=True)

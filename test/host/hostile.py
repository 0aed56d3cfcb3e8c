# SPDX-License-Identifier: MIT
"""hostile.py PORT HEX: a client whose name is HEX, and whose arguments are no better.

Connects to PORT, prints its id and source port, and waits for the end of its input.
"""

import os
import socket
import sys

ARGUMENTS = [
    b"<script>alert(1)</script><img src=x onerror=alert(1)>",
    b"\x1b[31m\x07\n\"\\",
    b"\xff\xfe\xc3(\xe2\x80\xae",
    b"x" * 131000,
]

if len(sys.argv) == 3:
    os.execv("/usr/bin/python3", ["/usr/bin/python3", __file__, *sys.argv[1:], *ARGUMENTS])
with open("/proc/self/comm", "wb", buffering=0) as comm:
    comm.write(bytes.fromhex(sys.argv[2]))
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
    print(os.getpid(), sock.getsockname()[1], flush=True)
    sys.stdin.read()

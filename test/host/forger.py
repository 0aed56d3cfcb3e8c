# SPDX-License-Identifier: MIT
"""forger.py ADDRESS SRC_PORT DST PORT: an entry that claims a stranger's connection.

For a network namespace of one's own (unshare -Urn) with both addresses: connects from the
one to the other, where nobody need listen. Prints its process id and holds the socket until
the end of its input.
"""

import os
import socket
import sys

with socket.socket() as sock:
    sock.bind((sys.argv[1], int(sys.argv[2])))
    sock.connect_ex((sys.argv[3], int(sys.argv[4])))
    print(os.getpid(), flush=True)
    sys.stdin.read()

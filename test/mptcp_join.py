# SPDX-License-Identifier: MIT
"""One MPTCP connection with a second subflow, in a namespace made for it.

usage: mptcp_join.py [COMMAND...], where lo has 10.9.9.1 and 10.9.9.2 and the second one
is a subflow endpoint, or becomes one by COMMAND, which is run once connected. Prints "PID
PORT OPENS": this process, the server's port, and how many active opens the kernel
counted. Those after the first are a kernel thread's, or that command's. MPTCP_PORT in the
environment is the server's port; with MPTCP_HOLD it holds until standard input ends.
"""
import os
import socket
import subprocess
import sys
import threading
import time

IPPROTO_MPTCP = 262


def serve(server):
    connection, _ = server.accept()
    while connection.recv(16):
        connection.send(b"y")


def active_opens():
    names, values = [line.split() for line in open("/proc/net/snmp") if line.startswith("Tcp:")]
    return int(values[names.index("ActiveOpens")])


server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
server.bind(("10.9.9.1", int(os.environ.get("MPTCP_PORT", 0))))
server.listen(1)
threading.Thread(target=serve, args=(server,), daemon=True).start()
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
client.connect(server.getsockname())
client.send(b"x")
client.recv(1)
if sys.argv[1:]:
    subprocess.run(sys.argv[1:], check=True)
for _ in range(100):
    client.send(b"x")
    client.recv(1)
    if active_opens() >= 2:
        break
    time.sleep(0.1)
print(os.getpid(), server.getsockname()[1], active_opens(), flush=True)
if os.environ.get("MPTCP_HOLD"):
    sys.stdin.read()

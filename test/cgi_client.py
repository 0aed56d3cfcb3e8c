#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cgi_client.py STATE UID -p ADDRESS PROGRAM: run a CGI program as httpd does, whose word -p
is here too, for a client in a state that no client of a real server stays in. UID makes the
client's socket. ADDRESS is where it listens, HOST:PORT or [HOST]:PORT, or every:PORT.

STATE: open; half, closed for writing; orphan, closed while the server's end is open;
time-wait, closed by both, the client first; none, there is no such connection."""
import os
import socket
import subprocess
import sys

state, uid, option, listen, program = sys.argv[1:]
host, port = listen.rsplit(":", 1)
host = host.strip("[]")
family = socket.AF_INET6 if ":" in host else socket.AF_INET
server = socket.socket(family)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((host, int(port)))
server.listen()

to_client, of_client = socket.socketpair()
if not os.fork():
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
    client = socket.socket(family)
    client.connect((host, int(port)))
    of_client.send(b"%d" % client.getsockname()[1])
    of_client.recv(1)
    if state == "half":
        client.shutdown(socket.SHUT_WR)
    elif state in ("orphan", "time-wait"):
        client.close()
    of_client.send(b"d")
    of_client.recv(1)
    os._exit(0)
source = to_client.recv(8).decode()
end, _ = server.accept()
to_client.send(b"g")
to_client.recv(1)
if state in ("orphan", "half", "time-wait"):
    assert end.recv(1) == b""
if state == "time-wait":
    end.close()
    with open("/proc/net/tcp") as table:
        assert any(line.split()[3] == "06" and line.split()[1].endswith(":%04X" % int(source)) for line in table)
environment = dict(os.environ, REQUEST_METHOD="GET", REMOTE_ADDR=f"[{host}]" if ":" in host else host,
                   REMOTE_PORT="1" if state == "none" else source, HTTP_HOST="localhost")
rc = subprocess.run([program], env=environment).returncode
to_client.send(b"e")
os.wait()
sys.exit(rc)

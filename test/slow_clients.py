#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""slow_clients.py ADDRESS PORT N: N clients of an HTTP server, a third of which say
nothing, a third half a request, and a third a byte a second. Prints "ready", then,
for an empty line on standard input, how many the server has not ended yet."""
import resource
import select
import socket
import sys
import time

address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
clients, dribblers = [], []
for number in range(count):
    client = socket.create_connection((address, port))
    if number % 3:
        client.sendall(b"GET /cgi-bin/metrics HTTP/1.0\r\nX: ")
    if number % 3 == 1:
        dribblers.append(client)
    clients.append(client)
    time.sleep(0.004)  # httpd lets nine wait; more would be told to try again in a second
print("ready", flush=True)


def prune():
    """Forget those that the server has ended."""
    poll = select.poll()
    by_fd = {client.fileno(): client for client in clients}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    for fd, _ in poll.poll(0):
        try:
            ended = not by_fd[fd].recv(4096)
        except OSError:
            ended = True
        if ended:
            clients.remove(by_fd[fd])


while True:
    if select.select([sys.stdin], [], [], 1)[0]:
        if not sys.stdin.readline():
            break
        prune()
        print(len(clients), flush=True)
    for client in dribblers:
        try:
            client.sendall(b"a")
        except OSError:
            pass

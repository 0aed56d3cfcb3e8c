# SPDX-License-Identifier: MIT
"""Connections with both ends on this host, for the tests of who has which end.

usage: connections.py WHAT [ARGUMENT]
WHAT: pairs       a listener, a connection to it, one that is shut down on one side, one over
                  IPv6, and a connected UDP socket
      accept HOW  a listener and a connection to it that is accepted HOW: not; by itself; by a
                  thread; by a child (fork); at once and closed; when it has been reset; late,
                  when sockets enough to fill 1024 slots have been opened as well; when it
                  has been reset and a twin of the same ports waits; by one of two listeners
                  of one port (reuseport)
      end HOW     a connection that ends HOW: fin, peer (the peer closes first), reset,
                  peer-reset, refused, abandoned
      occupied    a connection, and another socket of its port that tries to connect there
      self        a socket that connects to itself, on a port where a child listens
      exec FILE   connect, then execute FILE with its words
      leader      connect in a thread and let the first thread end
      handed      a connection whose process ends, while a child of it has it open
      hold PORT   connect to PORT of 127.0.0.1
Prints "NAME=VALUE ..." and holds until standard input ends.
"""
import ctypes
import os
import resource
import socket
import struct
import sys
import threading
import time


def listener(host="127.0.0.1", reuse=False, port=0):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if reuse:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind((host, port))
    s.listen(64)
    return s


def bound(number):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # A socket that had it may still be on its way out.
    for tries in range(100):
        try:
            s.bind(("127.0.0.1", number))
            return s
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"port {number} is taken")


def connect(s):
    return socket.create_connection(s.getsockname()[:2])


def port(s):
    return s.getsockname()[1]


def tell(**values):
    print(" ".join(f"{name}={value}" for name, value in values.items()), flush=True)


def hold():
    sys.stdin.read()


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def pairs():
    s, s6 = listener(), listener("::1")
    c, d, c6 = connect(s), connect(s), connect(s6)
    a, b, a6 = s.accept()[0], s.accept()[0], s6.accept()[0]
    c.sendall(b"x" * 1000)
    a.sendall(b"y")
    c.recv(1)
    d.shutdown(socket.SHUT_WR)
    u = socket.socket(type=socket.SOCK_DGRAM)
    u.connect(("127.0.0.1", 9))
    tell(pid=os.getpid(), server=port(s), client=port(c), shut=port(d), server6=port(s6),
         client6=port(c6), udp=port(u))
    hold()


def accept(how):
    s = listener(reuse=how == "reuseport")
    others = [listener(reuse=True, port=port(s))] if how == "reuseport" else []
    if how == "reuseport" and os.fork() == 0:
        # One of the two listeners is the child's alone.
        s.close()
        kept = []
        threading.Thread(target=lambda: kept.append(others[0].accept()), daemon=True).start()
        hold()
        os._exit(0)
    # A port of its own: one that connect() chooses may be that of others, in TIME_WAIT.
    c = bound(0)
    c.connect(s.getsockname())
    accepter = os.getpid()
    if how == "fork":
        accepter = os.fork()
        if accepter == 0:
            c.close()
            held = s.accept()
            os.read(0, 1)
            os._exit(0 if held else 1)
        time.sleep(0.3)
    elif how == "thread":
        thread = threading.Thread(target=lambda: kept.append(s.accept()))
        kept = []
        thread.start()
        thread.join()
    elif how == "at once":
        s.accept()[0].close()
    elif how in ("reset", "late", "twin"):
        server, client = port(s), port(c)
        reset(c)
        if how == "late":
            # Consecutive cookies, in as many runs as there are processors, fill each group.
            resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
            other, others = listener(), []
            for _ in range(1500):
                others += connect(other), other.accept()[0]
        if how == "twin":
            twin = bound(client)
            twin.connect(s.getsockname())
        if os.fork() == 0:
            kept = s.accept()
            tell(pid=os.getppid(), accepter=os.getpid(), server=server, client=client)
            hold()
            os._exit(0)
        os.wait()
        return
    elif how == "itself":
        kept = s.accept()
    tell(pid=os.getpid(), accepter=accepter, server=port(s), client=port(c))
    hold()


def end(how):
    s = listener()
    if how == "refused":
        number = port(s)
        s.close()
        c = socket.socket()
        c.bind(("127.0.0.1", 0))
        mine = port(c)
        try:
            c.connect(("127.0.0.1", number))
        except ConnectionRefusedError:
            pass
        tell(pid=os.getpid(), server=number, client=mine)
        hold()
        return
    c = connect(s)
    a = s.accept()[0]
    numbers = dict(pid=os.getpid(), server=port(s), client=port(c))
    c.sendall(b"x" * 1234)
    a.sendall(b"y" * 99)
    while len(a.recv(4096)) == 4096:
        pass
    c.recv(4096)
    first, second = (a, c) if how.startswith("peer") else (c, a)
    if how.endswith("reset"):
        reset(first)
    else:
        first.close()
        second.recv(1)
    time.sleep(0.1)
    second.close()
    time.sleep(0.1)
    tell(**numbers)
    hold()


def occupied():
    y, x = listener(), listener()
    free = bound(0)
    number = port(free)
    free.close()
    # Asked for by its number, so that b keeps it when it disconnects.
    a, b = bound(number), bound(number)
    a.connect(y.getsockname())
    b.connect(x.getsockname())
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.connect(b.fileno(), bytes(16), 16) == 0
    try:
        b.connect(y.getsockname())
        raise SystemExit("connected twice")
    except OSError:
        pass
    tell(pid=os.getpid(), server=port(y), client=port(a))
    hold()


def self_connect():
    me = bound(0)
    if os.fork() == 0:
        s = bound(port(me))
        s.listen(1)
        hold()
        os._exit(0)
    time.sleep(0.3)
    me.connect(me.getsockname())
    tell(pid=os.getpid(), port=port(me))
    hold()


def run(words):
    s = listener()
    c = connect(s)
    os.set_inheritable(c.fileno(), True)
    os.set_inheritable(s.fileno(), True)
    tell(pid=os.getpid(), server=port(s), client=port(c))
    os.execv(words[0], words)


def leader():
    def connected():
        s = listener()
        c = connect(s)
        time.sleep(0.2)
        tell(pid=os.getpid(), server=port(s), client=port(c))
        hold()
        os._exit(0)
    threading.Thread(target=connected).start()
    ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)


def handed():
    s = listener()
    here, there = os.pipe()
    if os.fork() == 0:
        c = connect(s)
        os.write(there, struct.pack("ii", os.getpid(), port(c)))
        if os.fork() == 0:
            hold()
        os._exit(0)
    pid, client = struct.unpack("ii", os.read(here, 8))
    os.waitpid(pid, 0)
    tell(pid=pid, server=port(s), client=client)
    hold()


what, rest = sys.argv[1], sys.argv[2:]
if what == "pairs":
    pairs()
elif what == "accept":
    accept(rest[0])
elif what == "end":
    end(rest[0])
elif what == "occupied":
    occupied()
elif what == "self":
    self_connect()
elif what == "exec":
    run(rest)
elif what == "leader":
    leader()
elif what == "handed":
    handed()
elif what == "hold":
    kept = socket.create_connection(("127.0.0.1", int(rest[0])))
    tell(pid=os.getpid(), client=port(kept))
    hold()

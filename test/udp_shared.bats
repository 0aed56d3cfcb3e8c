#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A UDP socket that two processes have: whose its entry is, by how they send.

load helper

setup_file() {
	attach
}

teardown_file() {
	detach
}

teardown() {
	stop_all
}

# shared CALL: a process connects a UDP socket and forks a child that does CALL with it; CHILD
# and PARENT are their ids, SRC_PORT and PORT the socket's.
shared() {
	start "shared-$((NUMBER = ${NUMBER-0} + 1))" /usr/bin/python3 -c '
import os, socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
to = server.getsockname()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(to)
s.send(b"x")
ready, parent = os.pipe(), os.getpid()
child = os.fork()
if child == 0:
    exec(sys.argv[1])
    os.write(ready[1], b"x")
    sys.stdin.read()
    sys.exit()
os.read(ready[0], 1)
print(parent, child, s.getsockname()[1], to[1], flush=True)
sys.stdin.read()' "$1"
	read -r PARENT CHILD SRC_PORT PORT <<<"$FIRST"
}

owner() {
	"$HELPERS/conn-lookup" -q -p udp 127.0.0.1 "$SRC_PORT" "$PORT"
}

@test "connected UDP socket (a child that inherited it sends) stays the process's that connected it" {
	for call in 's.send(b"x")' 'os.write(s.fileno(), b"x")' 's.sendmsg([b"x"])'; do
		shared "$call"
		run -0 owner
		[ "$output" = "$PARENT" ]
	done
}

@test "connected UDP socket (a child sends with an address, or connects it again) becomes the child's" {
	for call in 's.sendto(b"x", to)' 's.connect(to)'; do
		shared "$call"
		run -0 owner
		[ "$output" = "$CHILD" ]
	done
}

@test "connected UDP socket (a child sends with a control message) becomes the child's" {
	shared 's.sendmsg([b"x"], [(socket.IPPROTO_IP, socket.IP_TOS, (16).to_bytes(4, sys.byteorder))])'
	run -0 owner
	[ "$output" = "$CHILD" ]
}

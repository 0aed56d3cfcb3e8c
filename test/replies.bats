#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Replies of an unconnected UDP server to who asked: no connections of that process. They
# take no room of the connection table and only what is left over of the identity table.

load helper

ENTRIES=1024 # of each table

setup_file() {
	export CONN_V4_ENTRIES=$ENTRIES CONN_V6_ENTRIES=$ENTRIES
	attach
}

teardown_file() {
	detach
}

teardown() {
	stop_all
}

# server ADDRESS: a UDP server of the name S, whose process is SERVER and whose port is PORT.
# It answers "x" to who sent it; a line "HOST PORT" makes it send there by itself, and is
# printed when that is done.
server() {
	start server /usr/bin/python3 -c '
import select, socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.bind((sys.argv[1], 0))
print(s.getsockname()[1], flush=True)
while True:
    for ready in select.select([s, sys.stdin], [], [])[0]:
        if ready is s:
            s.sendto(b"x", s.recvfrom(100)[1])
            continue
        line = sys.stdin.readline()
        if not line:
            sys.exit()
        host, port = line.split()
        s.sendto(b"x", (host, int(port)))
        print(line, end="", flush=True)' "$1"
	SERVER=$PID PORT=$FIRST
	# The descriptor of its standard input, which start opened.
	# shellcheck disable=SC2154
	SAY=$fd
}

# client ADDRESS [PORT]: sends to it and waits for the answer, again at each line; its process
# is in PID and its port in CLIENT_PORT.
client() {
	start "client$((NUMBER = ${NUMBER-0} + 1))" /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
if len(sys.argv) > 3:
    s.bind(("", int(sys.argv[3])))
while True:
    s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
    s.settimeout(10)
    s.recvfrom(100)
    print(s.getsockname()[1], flush=True)
    if not sys.stdin.readline():
        break' "$1" "$PORT" "${@:2}"
	CLIENT_PORT=$FIRST CLIENT_OUT=$BATS_TEST_TMPDIR/client$NUMBER.out ASK=$fd
}

# lookup DST SRC_PORT DST_PORT
lookup() {
	"$HELPERS/conn-lookup" -q -p udp "$@"
}

# in_table PORT PORT: how many entries of these ports the connection table has.
in_table() {
	"$HELPERS/conn-list" -p udp --src-port "$1" --dst-port "$2" | wc -l
}

evicted() {
	metric 'connpin_identity_evictions_total{protocol="udp"}'
}

@test "conn-list (a UDP server answers who asked) has the client's datagram and not the reply, which conn-lookup knows" {
	for address in 127.0.0.1 ::1; do
		server $address
		client $address
		run -0 lookup $address "$CLIENT_PORT" "$PORT"
		[ "$output" = "$PID" ]
		[ "$(in_table "$CLIENT_PORT" "$PORT")" -eq 1 ]
		[ "$(in_table "$PORT" "$CLIENT_PORT")" -eq 0 ]
		run -0 lookup $address "$PORT" "$CLIENT_PORT"
		[ "$output" = "$SERVER" ]
		stop_all
	done
}

@test "conn-list (an IPv6 UDP server answers over IPv4) has no reply" {
	server ::
	client 127.0.0.1
	[ "$(in_table "$CLIENT_PORT" "$PORT")" -eq 1 ]
	[ "$(in_table "$PORT" "$CLIENT_PORT")" -eq 0 ]
	run -0 lookup 127.0.0.1 "$PORT" "$CLIENT_PORT"
	[ "$output" = "$SERVER" ]
}

@test "conn-list (a UDP client asks again after an answer) keeps it as the client's" {
	server 127.0.0.1
	client 127.0.0.1
	echo again >&"$ASK"
	poll awk 'END { exit NR < 2 }' "$CLIENT_OUT"
	[ "$(in_table "$CLIENT_PORT" "$PORT")" -eq 1 ]
	run -0 lookup 127.0.0.1 "$CLIENT_PORT" "$PORT"
	[ "$output" = "$PID" ]
}

@test "conn-list (a UDP server sends to who has not asked) has it" {
	server 127.0.0.1
	client 127.0.0.1
	echo 127.0.0.1 9 >&"$SAY"
	poll grep -qx '127.0.0.1 9' "$BATS_TEST_TMPDIR/server.out"
	[ "$(in_table "$PORT" 9)" -eq 1 ]
	run -0 lookup 127.0.0.1 "$PORT" 9
	[ "$output" = "$SERVER" ]
}

@test "conn-lookup (a reply where another process was recorded) names who replied" {
	# Another one of the same port, which is gone by the time of the reply.
	start other /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
host, port = sys.stdin.readline().split()
s.sendto(b"x", (host, int(port)))
print("sent", flush=True)'
	other=$PID port=$FIRST
	echo 127.0.0.1 23561 >&"$fd"
	poll grep -q sent "$BATS_TEST_TMPDIR/other.out"
	wait "$other"
	run -0 lookup 127.0.0.1 "$port" 23561
	[ "$output" = "$other" ]
	start later /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
c.bind(("127.0.0.1", 23561))
c.sendto(b"x", s.getsockname())
s.sendto(b"x", s.recvfrom(1)[1])
print("replied", flush=True)
sys.stdin.read()' "$port"
	run -0 lookup 127.0.0.1 "$port" 23561
	[ "$output" = "$PID" ]
}

@test "conn-lookup (a UDP server has answered more peers than the tables hold) keeps all of the others" {
	start_server 127.0.0.1
	tcp_server=$PORT
	start tcp "$TRAFFIC" connect 127.0.0.1 "$tcp_server"
	tcp=$PID tcp_port=${FIRST#* }
	start udp "$TRAFFIC" send 127.0.0.1 9
	udp=$PID udp_port=${FIRST#* }
	before=$(evicted)
	start asked /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
for n in range(int(sys.argv[1])):
    s.sendto(b"x", s.recvfrom(1)[1])
print("done", flush=True)
sys.stdin.read()' $((8 * ENTRIES))
	server=$PID
	# A user of its own, as all questions are in one bucket; each from an address of its own
	# (IP_PKTINFO).
	run -0 timeout 400 setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 -c '
import socket, struct, sys
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
c.bind(("0.0.0.0", 0))
for n in range(int(sys.argv[1])):
    source = socket.inet_aton("127.%d.%d.1" % (16 + n // 256, n % 256))
    c.sendmsg([b"x"], [(socket.IPPROTO_IP, 8, struct.pack("I4s4x", 0, source))], 0,
              ("127.0.0.1", int(sys.argv[2])))
    c.recv(1)
print(c.getsockname()[1])' $((8 * ENTRIES)) "$FIRST"
	client_port=$output
	poll grep -q "^done" "$BATS_TEST_TMPDIR/asked.out"
	# No more than the questions.
	[ "$(($(evicted) - before))" -le $((8 * ENTRIES)) ]
	run -0 "$HELPERS/conn-lookup" -q 127.0.0.1 "$tcp_port" "$tcp_server"
	[ "$output" = "$tcp" ]
	run -0 lookup 127.0.0.1 "$udp_port" 9
	[ "$output" = "$udp" ]
	[ "$("$HELPERS/conn-list" -p tcp --src-port "$tcp_port" --dst-port "$tcp_server" | wc -l)" -eq 1 ]
	[ "$(in_table "$udp_port" 9)" -eq 1 ]
	# Nor has the table any of the replies.
	[ "$("$HELPERS/conn-list" -p udp --src-port "$FIRST" | wc -l)" -eq 0 ]
	# The identity table has some, for who asks.
	run -0 lookup "127.$((16 + 8 * ENTRIES / 256 - 1)).255.1" "$FIRST" "$client_port"
	[ "$output" = "$server" ]
}

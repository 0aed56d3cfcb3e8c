#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Which process owns this connection? Real processes, loopback, every family.

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

# looks_up PROTOCOL DST: the client that "start client" made is the answer.
looks_up() {
	[ "$(client_pid)" = "$PID" ]
	run -0 "$HELPERS/conn-lookup" -q -p "$1" "$2" "$(client_port)" "$PORT"
	[ "$output" = "$PID" ]
}

@test "conn-lookup (TCP, IPv4) names the process that connected" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	looks_up tcp 127.0.0.1
}

@test "conn-lookup (TCP, IPv6) names the process that connected" {
	start_server ::1
	start client "$TRAFFIC" connect ::1 "$PORT"
	looks_up tcp ::1
}

@test "conn-lookup (TCP, IPv4-mapped) finds it as IPv4 and as mapped" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect ::ffff:127.0.0.1 "$PORT"
	looks_up tcp 127.0.0.1
	looks_up tcp ::ffff:127.0.0.1
	no_line ::ffff: "$HELPERS/conn-list"
}

@test "conn-lookup (TCP, non-blocking) names the process that connected" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT" nonblock
	looks_up tcp 127.0.0.1
}

@test "conn-lookup (TCP to 0.0.0.0) is keyed by loopback, where it went" {
	start_server 0.0.0.0
	start client "$TRAFFIC" connect 0.0.0.0 "$PORT"
	looks_up tcp 127.0.0.1
}

@test "conn-lookup (TCP, refused) still names the process that tried" {
	# The shell's id stays when it becomes the client.
	bash -c 'echo $$; exec "$0" refuse 1' "$TRAFFIC" >"$BATS_TEST_TMPDIR/pid"
	"$HELPERS/conn-list" | grep -q " $(cat "$BATS_TEST_TMPDIR/pid") exited traffic\$"
}

@test "conn-lookup (UDP sendto, IPv4) names the process that sent" {
	PORT=23531
	start client "$TRAFFIC" send 127.0.0.1 "$PORT"
	looks_up udp 127.0.0.1
}

@test "conn-lookup (UDP sendto, IPv6) names the process that sent" {
	PORT=23532
	start client "$TRAFFIC" send ::1 "$PORT"
	looks_up udp ::1
}

@test "conn-lookup (UDP sendto, IPv4-mapped) finds it as IPv4" {
	PORT=23533
	start client "$TRAFFIC" send ::ffff:127.0.0.1 "$PORT"
	looks_up udp 127.0.0.1
	looks_up udp ::ffff:127.0.0.1
}

@test "conn-lookup (UDP sendto 0.0.0.0 and ::) is keyed by loopback, where it went" {
	PORT=23534
	start client "$TRAFFIC" send 0.0.0.0 "$PORT"
	looks_up udp 127.0.0.1
	start client6 "$TRAFFIC" send :: "$PORT"
	looks_up udp ::1
}

@test "conn-lookup (connected UDP socket, IPv4) names the process, before it sends" {
	PORT=23541
	start client "$TRAFFIC" udp-connect 127.0.0.1 "$PORT"
	looks_up udp 127.0.0.1
	start sender "$TRAFFIC" udp-connect 127.0.0.1 "$PORT" send
	looks_up udp 127.0.0.1
}

@test "conn-lookup (connected UDP socket, IPv6 and IPv4-mapped) names the process" {
	PORT=23542
	start client "$TRAFFIC" udp-connect ::1 "$PORT"
	looks_up udp ::1
	start mapped "$TRAFFIC" udp-connect ::ffff:127.0.0.1 "$PORT"
	looks_up udp 127.0.0.1
	looks_up udp ::ffff:127.0.0.1
}

@test "conn-lookup (UDP socket connected to 0.0.0.0 and ::) is keyed by loopback" {
	PORT=23543
	start client "$TRAFFIC" udp-connect 0.0.0.0 "$PORT"
	looks_up udp 127.0.0.1
	start client6 "$TRAFFIC" udp-connect :: "$PORT"
	looks_up udp ::1
}

@test "status.sh tells how connected UDP sockets are recorded, at what cost and with what gap" {
	run "$SCRIPTS/status.sh"
	if [ -e "$PIN_DIR/links/on_udp_connect4" ]; then
		[[ $output = *"connected_udp    on        fexit/"*" since "* ]]
	else
		[[ $output = *"connected_udp    degraded  tracepoint/sys_exit_connect since "* ]]
		[[ $output = *"each system call takes"*"io_uring"*"; fexit/"*": the kernel or a security module refuses it"* ]]
	fi
}

@test "conn-lookup (connected UDP socket, control message) makes no entry for 0.0.0.0 or ::" {
	PORT=23535
	start client "$TRAFFIC" sendmsg-tos 127.0.0.1 "$PORT"
	looks_up udp 127.0.0.1
	start client6 "$TRAFFIC" sendmsg-tos ::1 "$PORT"
	looks_up udp ::1
	no_line '^udp (0\.0\.0\.0|::) ' "$HELPERS/conn-list"
	no_line ' 0 [0-9]+$' "$HELPERS/conn-list"
}

@test "conn-lookup (connected UDP socket, sendmsg elsewhere) is keyed by the address used" {
	PORT=23536
	start client "$TRAFFIC" sendmsg-tos 127.0.0.1 23537 "$PORT"
	looks_up udp 127.0.0.1
}

# mptcp_join BEFORE [COMMAND...]: see test/mptcp_join.py; BEFORE is run first.
mptcp_join() {
	unshare -n sh -ec 'ip link set lo up
		ip addr add 10.9.9.1/32 dev lo
		ip addr add 10.9.9.2/32 dev lo
		ip mptcp limits set subflow 2 add_addr_accepted 2
		$1
		shift
		exec /usr/bin/python3 "$0" "$@"' "$TREE/test/mptcp_join.py" "$@" >"$BATS_TEST_TMPDIR/out"
	read -r pid port opens <"$BATS_TEST_TMPDIR/out"
	[ "$opens" -ge 2 ]
	"$HELPERS/conn-list" | grep "^tcp 10.9.9.1 [0-9]* $port " >"$BATS_TEST_TMPDIR/list"
	cat "$BATS_TEST_TMPDIR/list"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/list")" -eq 1 ]
	grep -q " $pid exited python3" "$BATS_TEST_TMPDIR/list"
}

@test "conn-list (MPTCP subflow that a kernel thread connects) names no kernel thread" {
	mptcp_join 'ip mptcp endpoint add 10.9.9.2 subflow'
}

@test "conn-list (MPTCP subflow that ip mptcp brings about) does not name ip" {
	mptcp_join : ip mptcp endpoint add 10.9.9.2 dev lo subflow
}

@test "conn-lookup (TCP and UDP with the same ports) keeps them apart" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	run -1 "$HELPERS/conn-lookup" -p udp 127.0.0.1 "$(client_port)" "$PORT"
	[ "$output" = "conn-lookup: no process is known for this connection" ]
}

@test "conn-lookup (two processes at once) tells them apart" {
	start_server 127.0.0.1
	start first "$TRAFFIC" connect 127.0.0.1 "$PORT"
	# shellcheck disable=SC2153 # start sets it
	first=$FIRST
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	looks_up tcp 127.0.0.1
	run -0 "$HELPERS/conn-lookup" -q 127.0.0.1 "${first#* }" "$PORT"
	[ "$output" = "${first% *}" ]
}

@test "conn-lookup (process has exited) still answers" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	kill "$PID"
	wait "$PID" || true
	[ ! -d "/proc/$PID" ]
	looks_up tcp 127.0.0.1
}

@test "conn-lookup (another process takes the UDP port over) follows the sender" {
	PORT=23538
	start client "$TRAFFIC" send 127.0.0.1 "$PORT"
	port=$(client_port)
	kill "$PID"
	wait "$PID" || true
	start taker /usr/bin/python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.sendto(b"x", ("127.0.0.1", int(sys.argv[2])))
print(os.getpid(), s.getsockname()[1], flush=True)
sys.stdin.read()' "$port" "$PORT"
	[ "$(client_port)" = "$port" ]
	looks_up udp 127.0.0.1
}

@test "conn-lookup (default, -j, -q) prints the contract's formats" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	run -0 "$HELPERS/conn-lookup" 127.0.0.1 "$(client_port)" "$PORT"
	[ "${lines[0]}" = "PID: $PID" ]
	[[ $output != *[!\ -~$'\n']* ]]
	run -0 "$HELPERS/conn-lookup" 127.0.0.1 "$(client_port)" -j "$PORT" --protocol tcp
	[ "$(echo "$output" | wc -l)" -eq 1 ]
	/usr/bin/python3 -c '
import json, sys
a = json.loads(sys.argv[1])
want = dict(pid=int(sys.argv[2]), protocol="tcp", dst_ip="127.0.0.1", src_port=int(sys.argv[3]), dst_port=int(sys.argv[4]))
assert want.items() <= a.items(), a' "$output" "$PID" "$(client_port)" "$PORT"
}

@test "conn-lookup - (batch) answers in order and goes on after a bad line" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	{
		echo "tcp 127.0.0.1 $(client_port) $PORT"
		echo "nonsense"
		echo "udp ::1 1 2"
		printf 'tcp 127.0.0.1 %s %s' "$(client_port)" "$PORT" # no line end
	} >"$BATS_TEST_TMPDIR/questions"
	run -0 "$HELPERS/conn-lookup" - <"$BATS_TEST_TMPDIR/questions"
	[ "${#lines[@]}" -eq 4 ]
	[[ ${lines[0]} = "{\"pid\":$PID,"* ]]
	[[ ${lines[1]} = '{"error":"a line is PROTOCOL DST SRC_PORT DST_PORT [SRC]"}' ]]
	[[ ${lines[2]} = '{"error":"not found","protocol":"udp","dst_ip":"::1","src_port":1,"dst_port":2'* ]]
	# They are of different moments.
	[ "${lines[3]%,\"age_seconds\"*}" = "${lines[0]%,\"age_seconds\"*}" ]
}

@test "conn-lookup - (batch, a last line without an end) answers it as of the end" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	question="tcp 127.0.0.1 $(client_port) $PORT"
	coproc LOOKUP { "$HELPERS/conn-lookup" - 3>&-; }
	pid=$LOOKUP_PID to=${LOOKUP[1]}
	# bash closes its own end as soon as the coprocess has ended.
	exec {from}<&"${LOOKUP[0]}"
	printf '%s\n%s' "$question" "$question" >&"$to"
	read -r -t 10 first <&"$from"
	stop_all
	sleep 2
	exec {to}>&-
	read -r -t 10 last <&"$from"
	exec {from}<&-
	wait "$pid"
	echo "$first $last"
	[[ $first = "{\"pid\":$PID,"*'"status":"live"'* ]]
	[[ $last = "{\"pid\":$PID,"*'"status":"exited"'* ]]
	age=${first##*:} later=${last##*:}
	[ "${later%\}}" -ge $((${age%\}} + 2)) ]
}

@test "conn-lookup - (batch, as a coprocess) answers a line before the next is sent" {
	coproc LOOKUP { "$HELPERS/conn-lookup" - 3>&-; }
	pid=$LOOKUP_PID answers=${LOOKUP[0]} questions=${LOOKUP[1]}
	for port in 1 2 3; do
		echo "tcp 127.0.0.1 $port 9" >&"$questions"
		read -r -t 10 answer <&"$answers"
		[[ $answer = *"\"src_port\":$port,"* ]]
	done
	exec {questions}>&-
	wait "$pid"
}

@test "conn-lookup - and conn-list -w (detached and attached meanwhile) go on with the new maps" {
	coproc LOOKUP { "$HELPERS/conn-lookup" - 3>&-; }
	pid=$LOOKUP_PID answers=${LOOKUP[0]} questions=${LOOKUP[1]}
	start list "$HELPERS/conn-list" -w 1
	echo "tcp 127.0.0.1 1 9" >&"$questions"
	read -r -t 10 answer <&"$answers"
	detach
	attach
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	echo "tcp 127.0.0.1 $(client_port) $PORT" >&"$questions"
	read -r -t 10 answer <&"$answers"
	[[ $answer = "{\"pid\":$PID,"* ]]
	poll grep -qx "tcp 127.0.0.1 $(client_port) $PORT $PID live traffic" "$BATS_TEST_TMPDIR/list.out"
	exec {questions}>&-
	wait "$pid"
}

@test "conn-list prints every connection once, and -j the same as JSON" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	line="tcp 127.0.0.1 $(client_port) $PORT $PID"
	[ "$("$HELPERS/conn-list" | grep -cx "$line live traffic")" -eq 1 ]
	"$HELPERS/conn-list" -j >"$BATS_TEST_TMPDIR/json"
	/usr/bin/python3 -c '
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
got = ["%s %s %d %d %d" % (r["protocol"], r["dst_ip"], r["src_port"], r["dst_port"], r["pid"]) for r in rows]
assert got.count(sys.argv[2]) == 1, got' "$BATS_TEST_TMPDIR/json" "$line"
}

@test "conn-list (filters) prints what matches all of them, and nothing else" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	line="tcp 127.0.0.1 $(client_port) $PORT $PID live traffic"
	pid=$PID
	start_server ::1 6
	start client6 "$TRAFFIC" connect ::1 "$PORT"
	line6="tcp ::1 $(client_port) $PORT $PID live traffic"
	start clientu "$TRAFFIC" send 127.0.0.1 "$PORT"
	lineu="udp 127.0.0.1 $(client_port) $PORT $PID live traffic"
	run -0 "$HELPERS/conn-list" --pid "$pid"
	[ "$output" = "$line" ]
	run -0 "$HELPERS/conn-list" --dst-port "$PORT" -p tcp
	[ "$output" = "$line6" ]
	run -0 "$HELPERS/conn-list" --dst ::ffff:127.0.0.1 --dst-port "$PORT"
	[ "$output" = "$lineu" ]
	run -0 "$HELPERS/conn-list" --src-port "$(client_port)" --protocol udp --dst 127.0.0.1
	[ "$output" = "$lineu" ]
	run -0 "$HELPERS/conn-list" --dst ::1 --src-port "$(echo "$line6" | cut -d ' ' -f 3)"
	[ "$output" = "$line6" ]
	run -0 "$HELPERS/conn-list" --pid "$PID" -p tcp
	[ -z "$output" ]
}

@test "conn-list -w lists again after the interval" {
	# Two tables at least, an empty line after each.
	timeout 3.5 "$HELPERS/conn-list" -w 1 >"$BATS_TEST_TMPDIR/twice" || true
	[ "$(grep -c '^$' "$BATS_TEST_TMPDIR/twice")" -ge 2 ]
}

@test "a ctypes reader that knows only the layouts finds the same process" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	run -0 /usr/bin/python3 "$TREE/test/ctypes_reader.py" "$PIN_DIR/maps/conn_to_pid_v4" \
		127.0.0.1 "$(client_port)" "$PORT" tcp
	[ "$output" = "$PID" ]
	start_server ::1 6
	start client6 "$TRAFFIC" connect ::1 "$PORT"
	run -0 /usr/bin/python3 "$TREE/test/ctypes_reader.py" "$PIN_DIR/maps/conn_to_pid_v6" \
		::1 "$(client_port)" "$PORT" tcp
	[ "$output" = "$PID" ]
}

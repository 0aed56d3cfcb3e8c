#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Other sock_ops programs of the host: whatever they may write, every connection counts,
# and counts once.

load helper

NEIGHBOURS=/sys/fs/bpf/${PIN_DIR##*/}_neighbours

setup() {
	WORK=$CGROUP_ROOT/connpin_test_$$
	mkdir "$WORK"
	bpftool prog loadall "$TREE/.output/test/neighbour.bpf.o" "$NEIGHBOURS" 2>/dev/null
	ATTACHED=''
}

teardown() {
	local entry
	stop_all
	for entry in $ATTACHED; do
		bpftool cgroup detach "${entry%%=*}" sock_ops pinned "$NEIGHBOURS/${entry##*=}"
	done
	rm -rf "$NEIGHBOURS"
	detach
	poll rmdir "$WORK" 2>/dev/null
}

# neighbour PROGRAM CGROUP
neighbour() {
	bpftool cgroup attach "$2" sock_ops pinned "$NEIGHBOURS/$1" multi
	ATTACHED="$2=$1 $ATTACHED"
}

in_work() {
	sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$WORK" "$@"
}

in_namespace() {
	in_work unshare -n sh -ec 'ip link set lo up && eval "$1"' sh "$1"
}

# All counters of connections, in a line: names are those of the metrics.
NAMES="tcp_active_connections_total tcp_passive_connections_total tcp_failed_connections_total
	tcp_connect_duration_seconds_count tcp_connection_duration_seconds_count
	tcp_sent_bytes_total tcp_received_bytes_total"

# What the rest of the host did: any change of these spoils a window.
elsewhere() {
	awk '$1 == "Tcp:"' /proc/net/snmp | cut -d ' ' -f 6-15
}

# rise SCRIPT: run it in the cgroup, in a network namespace of its own; in ROSE, by how
# much each of NAMES went up.
rise() {
	local rest name tries=20
	local -A before
	while :; do
		rest=$(elsewhere)
		for name in $NAMES; do
			before[$name]=$(metric "$name")
		done
		in_namespace "$1"
		ROSE=
		for name in $NAMES; do
			ROSE="$ROSE$(($(metric "$name") - before[$name])) "
		done
		echo "rose by $ROSE"
		[ "$rest" != "$(elsewhere)" ] || return 0
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
}

# 20 accepted connections, each with 1,000 bytes there and 2,000 back, and 20 refused.
count_all() {
	rise '"$TRAFFIC" carry 20 1000; "$TRAFFIC" refuse 20'
	[ "$ROSE" = "20 20 20 20 40 60000 60000 " ]
}

interference() {
	metric "connpin_sock_ops_interference_total{by=\"$1\"}"
}

# What status.sh prints, whatever this kernel lacks.
status() {
	"$SCRIPTS/status.sh" || [ $? -eq 1 ]
}

@test "counters (no neighbour) tell of none" {
	attach
	neighbour ask_changes "$WORK"
	count_all
	[ "$(interference reply)" -eq 0 ]
	[ "$(interference flags)" -eq 0 ]
	no_line 'another sock_ops program' status
}

@test "counters (a program below writes reply for every op) count all, and tell of it" {
	attach
	neighbour write_reply "$WORK"
	count_all
	spoiled=$(interference reply)
	[ "$spoiled" -ge 60 ]
	status >"$BATS_TEST_TMPDIR/status"
	grep -qE "^ +another sock_ops program of this host spoiled [0-9]+ state changes for ours \(reply [0-9]+\); they were counted all the same$" \
		"$BATS_TEST_TMPDIR/status"
	[ "$(grep -c 'another sock_ops program' "$BATS_TEST_TMPDIR/status")" -eq 1 ]
}

@test "counters (a program beside, attached before, writes reply for every op) count all, and tell of it" {
	neighbour write_reply "$CGROUP_ROOT"
	attach
	count_all
	[ "$(interference reply)" -ge 60 ]
}

@test "counters (a program below writes a state that could be the old one) count all, and tell of it" {
	attach
	neighbour write_state "$WORK"
	count_all
	[ "$(interference reply)" -ge 40 ]
}

@test "a sock_ops program (writes where the new state is) is refused by the kernel" {
	run ! bpftool prog load "$TREE/.output/test/forger.bpf.o" "$NEIGHBOURS/forger"
	[[ $output = *"invalid bpf_context access"* ]]
}

@test "counters (a program below clears the flags of sockets) count all, and tell of it" {
	attach
	neighbour clear_flags "$WORK"
	count_all
	[ "$(interference flags)" -ge 20 ]
}

@test "counters (a program beside, attached before, clears the flags of sockets) count all" {
	neighbour clear_flags "$CGROUP_ROOT"
	attach
	count_all
	[ "$(interference flags)" -ge 20 ]
}

@test "counters (a program beside, attached after, clears the flags of sockets) count all" {
	attach
	neighbour clear_flags "$CGROUP_ROOT"
	count_all
	[ "$(interference flags)" -ge 40 ]
}

@test "counters (a program beside, attached after, clears the flags while a change is told) count it once" {
	attach
	neighbour clear_at_change "$CGROUP_ROOT"
	count_all
}

@test "counters (a program below clears the flags while a change is told) count it once" {
	attach
	neighbour clear_at_change "$WORK"
	count_all
}

@test "counters (sockets that connect again and again, a neighbour clears their flags) count each attempt" {
	attach
	neighbour clear_at_change "$CGROUP_ROOT"
	# Refused, accepted, and from an address in use, by one socket in turns.
	cat >"$BATS_TEST_TMPDIR/again.py" <<-'END'
		import ctypes, errno, socket
		def bound():
		    s = socket.socket()
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		    s.bind(("127.0.0.1", 4000))
		    return s
		server = socket.create_server(("127.0.0.1", 5000))
		taken = socket.create_server(("127.0.0.1", 5001))
		s, other = bound(), bound()
		other.connect(("127.0.0.1", 5001))
		for turn in range(40):
		    expected = [errno.ECONNREFUSED, 0, errno.ECONNREFUSED, errno.EADDRNOTAVAIL][turn % 4]
		    assert s.connect_ex(("127.0.0.1", [9, 5000, 9, 5001][turn % 4])) == expected
		    if not expected:
		        peer = server.accept()[0]
		        peer.send(b"x" * 100)
		        s.recv(100, socket.MSG_WAITALL)
		        peer.close()
		        s.recv(1)
		        ctypes.CDLL(None).connect(s.fileno(), bytes(16), 16)  # AF_UNSPEC ends it
	END
	rise "/usr/bin/python3 '$BATS_TEST_TMPDIR/again.py'"
	# One more connection is of the other socket.
	[ "$ROSE" = "11 11 30 11 22 1000 1000 " ]
}

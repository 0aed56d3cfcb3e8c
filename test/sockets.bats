#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What is read of the sockets that are alive, and by cgroup.

load helper

setup() {
	WORK=$CGROUP_ROOT/connpin_test_$$
	NEIGHBOURS=/sys/fs/bpf/${PIN_DIR##*/}_neighbours
}

teardown() {
	stop_all
	detach
	rm -rf "$NEIGHBOURS"
	find "$WORK" -depth -type d -exec rmdir {} + 2>/dev/null || true
}

# In a network namespace of its own that lasts as long as its first process.
in_namespace() {
	start "$1" unshare -n sh -c 'ip link set lo up && exec "$@"' sh "${@:2}"
}

# How many sockets ss shows in each state, in all network namespaces; as the metric.
ss_states() {
	local namespace
	stat -L -c '%i %n' /proc/[0-9]*/ns/net /run/netns/* 2>/dev/null |
		awk '!seen[$1]++ { print $2 }' | while read -r namespace; do
		nsenter --net="$namespace" ss -Htan 2>/dev/null || true
	done | awk '
		BEGIN {
			n = split("ESTAB SYN-SENT SYN-RECV FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSE-WAIT LAST-ACK LISTEN CLOSING", ss)
			split("established syn_sent syn_recv fin_wait1 fin_wait2 time_wait close_wait last_ack listen closing", ours)
		}
		{ count[$1]++ }
		END { for (i = 1; i <= n; i++) printf "tcp_connections{state=\"%s\"} %d\n", ours[i], count[ss[i]] }'
}

# All but close, which ss does not show.
metric_states() {
	"$HELPERS/tcp-metrics" | grep '^tcp_connections{' | grep -v '"close"'
}

# Sockets of the rest of the host come and go: equal once is equal.
same_states() {
	diff <(ss_states) <(metric_states) >"$BATS_TEST_TMPDIR/states"
}

same_states_soon() {
	poll same_states || {
		cat "$BATS_TEST_TMPDIR/states"
		return 1
	}
}

state() {
	metric "tcp_connections{state=\"$1\"}"
}

@test "tcp_connections (sockets in another network namespace) is what ss shows" {
	attach
	in_namespace states "$TRAFFIC" states
	[ "$FIRST" = held ]
	same_states_soon
	[ "$(state established)" -ge 8 ]
	[ "$(state fin_wait2)" -ge 2 ]
	[ "$(state close_wait)" -ge 2 ]
	[ "$(state time_wait)" -ge 4 ]
	[ "$(state syn_sent)" -ge 2 ]
	[ "$(state listen)" -ge 2 ]
	stop_all
	same_states_soon
}

@test "tcp_connections (a Fast Open connect that waits for its data) is what ss shows" {
	attach
	in_namespace deferred sh -c 'echo 5 >/proc/sys/net/ipv4/tcp_fastopen && exec "$@"' sh /usr/bin/python3 -c '
import socket, sys
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
s.connect(("127.0.0.1", 9))
print("waits", flush=True)
sys.stdin.read()'
	same_states_soon
	[ "$(state syn_sent)" -ge 1 ]
	stop_all
	same_states_soon
}

@test "tcp_connections (sockets older than the attachment) is what ss shows" {
	in_namespace states "$TRAFFIC" states
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	attach
	same_states_soon
	[ "$(state established)" -ge 10 ]
	[ "$(state listen)" -ge 3 ]
	stop_all
	same_states_soon
}

bytes() {
	metric "tcp_direction_${1}_bytes_total{direction=\"$2\"}"
}

@test "tcp_sent_bytes_total (connections still open) grows as they go, and ends exact" {
	attach
	before=$(bytes sent passive)
	start carry "$TRAFFIC" carry-slowly 2 100000
	[ "$FIRST" = carried ]
	# Whatever else is sent on the host only adds to it.
	[ $(($(bytes sent passive) - before)) -ge 400000 ]
	# The last byte of each could be a FIN until it closes.
	[ "$(bytes received active)" -ge 399998 ]
}

@test "tcp_sent_bytes_total (connections older than the attachment) leaves out what was before" {
	start carry "$TRAFFIC" carry-slowly 2 100000
	attach
	[ "$(bytes sent unknown)" -lt 100000 ]
	stop_all
	[ "$(bytes sent unknown)" -lt 100000 ]
}

# cgroup_metric NAME CGROUP, a path below the root of the hierarchy.
cgroup_metric() {
	"$HELPERS/tcp-metrics" | awk -v name="tcp_cgroup_$1_total{cgroup=\"$2\"}" '$1 == name { print $2 }'
}

# All of one kind, and how many lines that are.
cgroup_sum() {
	"$HELPERS/tcp-metrics" | awk -v name="tcp_cgroup_$1_total{" '
		index($1, name) == 1 { sum += $2; lines++ } END { print sum + 0, lines + 0 }'
}

in_cgroup() {
	sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$@"
}

@test "metrics by cgroup (two services) give each its own" {
	attach
	mkdir -p "$WORK/one.service" "$WORK/two.service/nested"
	in_cgroup "$WORK/one.service" "$TRAFFIC" carry 30 1000
	in_cgroup "$WORK/two.service/nested" "$TRAFFIC" carry 20 500
	in_cgroup "$WORK/two.service/nested" "$TRAFFIC" refuse 7
	one=${WORK#"$CGROUP_ROOT"}/one.service
	two=${WORK#"$CGROUP_ROOT"}/two.service/nested
	[ "$(cgroup_metric active_connections "$one")" -eq 30 ]
	[ "$(cgroup_metric passive_connections "$one")" -eq 30 ]
	[ "$(cgroup_metric failed_connections "$one")" -eq 0 ]
	[ "$(cgroup_metric sent_bytes "$one")" -eq 90000 ]
	[ "$(cgroup_metric received_bytes "$one")" -eq 90000 ]
	[ "$(cgroup_metric active_connections "$two")" -eq 20 ]
	[ "$(cgroup_metric passive_connections "$two")" -eq 20 ]
	[ "$(cgroup_metric failed_connections "$two")" -eq 7 ]
	[ "$(cgroup_metric sent_bytes "$two")" -eq 30000 ]
}

@test "metrics by cgroup (300 short-lived ones) keep to CGROUP_SERIES lines and right sums" {
	CGROUP_SERIES=40 CGROUP_LINGER=1 attach
	mkdir "$WORK"
	base=$(cgroup_metric active_connections other)
	"$TRAFFIC" cgroups "$WORK" 300
	read -r sum lines < <(cgroup_sum active_connections)
	[ "$lines" -le 41 ]
	[ "$sum" -ge 300 ]
	[ "$sum" -eq "$(metric tcp_active_connections_total)" ] ||
		[ "$(cgroup_sum active_connections)" = "$(metric tcp_active_connections_total) $lines" ]
	[ "$(cgroup_metric active_connections other)" -ge $((base + 260)) ]
	# Those that are gone go to the others, a second after somebody finds them gone.
	merged() {
		[ "$("$HELPERS/tcp-metrics" | grep -c "^tcp_cgroup_active_connections_total{cgroup=\"${WORK#"$CGROUP_ROOT"}/")" -eq 0 ]
	}
	poll merged
	[ "$(cgroup_metric active_connections other)" -ge $((base + 300)) ]
	# And their places are free again.
	mkdir "$WORK/new.service"
	in_cgroup "$WORK/new.service" "$TRAFFIC" open 3
	[ "$(cgroup_metric active_connections "${WORK#"$CGROUP_ROOT"}/new.service")" -eq 3 ]
}

@test "metrics by cgroup (one that is made again under its name) have one line, which never goes down" {
	CGROUP_LINGER=1 attach
	mkdir -p "$WORK/again.service"
	in_cgroup "$WORK/again.service" "$TRAFFIC" open 5
	name=${WORK#"$CGROUP_ROOT"}/again.service
	[ "$(cgroup_metric active_connections "$name")" -eq 5 ]
	poll rmdir "$WORK/again.service" 2>/dev/null
	mkdir "$WORK/again.service"
	in_cgroup "$WORK/again.service" "$TRAFFIC" open 3
	[ "$(cgroup_metric active_connections "$name")" -eq 8 ]
	# The old one leaves its place, and then the counts are the new one's.
	for _ in 1 2 3 4 5 6; do
		sleep 1
		[ "$(cgroup_metric active_connections "$name")" -eq 8 ]
	done
	places() {
		bpftool -j map dump pinned "$PIN_DIR/maps/tcp_cgroups" | /usr/bin/python3 -c '
import json, sys
used = bytes(int(b, 16) for b in json.load(sys.stdin)[0]["value"])
name = sys.argv[1].encode() + b"\0"
print(sum(used[at + 28 : at + 28 + len(name)] == name and used[at + 16] == 2
          for at in range(8 + 4 * 256, len(used), 256)))' "$name"
	}
	[ "$(places)" -eq 1 ]
}

@test "metrics by cgroup (names that are not UTF-8) are labels that a scrape survives" {
	attach
	mkdir -p "$WORK/$(printf 'x\377')" "$WORK/$(printf 'x\376')"
	in_cgroup "$WORK/$(printf 'x\377')" "$TRAFFIC" open 2
	in_cgroup "$WORK/$(printf 'x\376')" "$TRAFFIC" open 2
	"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/text"
	/usr/bin/python3 -c 'import sys; open(sys.argv[1], encoding="utf-8").read()' "$BATS_TEST_TMPDIR/text"
	name=${WORK#"$CGROUP_ROOT"}/x$(printf '\357\277\275')
	[ "$(grep -c "^tcp_cgroup_active_connections_total{cgroup=\"$name\.\.\.#[0-9]*\"} 2\$" "$BATS_TEST_TMPDIR/text")" -eq 2 ]
	[ -z "$(grep -v '^#' "$BATS_TEST_TMPDIR/text" | cut -d ' ' -f 1 | sort | uniq -d)" ]
}

@test "metrics by cgroup (a name that needs escaping, a path of 300 bytes) are labels nobody takes for two" {
	attach
	long=$(printf '%0150d' 0)
	mkdir -p "$WORK/a\"b\\c" "$WORK/$long/${long}1" "$WORK/$long/${long}2"
	in_cgroup "$WORK/a\"b\\c" "$TRAFFIC" open 2
	in_cgroup "$WORK/$long/${long}1" "$TRAFFIC" open 2
	in_cgroup "$WORK/$long/${long}2" "$TRAFFIC" open 2
	"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/text"
	grep -qF "{cgroup=\"${WORK#"$CGROUP_ROOT"}/a\\\"b\\\\c\"} 2" "$BATS_TEST_TMPDIR/text"
	[ "$(grep -c '^tcp_cgroup_active_connections_total{cgroup=".*0\.\.\.#[0-9]*"} 2$' "$BATS_TEST_TMPDIR/text")" -eq 2 ]
	[ -z "$(grep -v '^#' "$BATS_TEST_TMPDIR/text" | cut -d ' ' -f 1 | sort | uniq -d)" ]
}

# colliding PATH PREFIX: a path that begins with PREFIX and has the hash of PATH, of tcp_cgroups.
colliding() {
	/usr/bin/python3 -c '
import itertools, string, struct, sys
PRIME = 16777619
def run(state, data):
    for word, in struct.iter_unpack("=I", data):
        state = (state ^ word) * PRIME & 0xffffffff
    return state
def padded(path, size):
    return path.encode().ljust(size, b"\0")
path, prefix = sys.argv[1:]
size = (max(len(path), len(prefix) + 8) + 8) // 4 * 4
at = (len(prefix) + 3) // 4 * 4
goal = run(2166136261, padded(path, size))
back = pow(PRIME, -1, 1 << 32)
for _ in range((size - at - 8) // 4):
    goal = goal * back & 0xffffffff
letters = string.ascii_letters + string.digits
for some in itertools.product(letters, repeat=4):
    start = prefix.ljust(at, "_") + "".join(some)
    last = struct.pack("=I", run(2166136261, start.encode()) ^ (goal * back & 0xffffffff))
    if all(0x21 <= b < 0x7f and b != 0x2f for b in last):
        found = start + last.decode()
        assert run(2166136261, padded(found, size)) == run(2166136261, padded(path, size))
        print(found)
        break
' "$1" "$2"
}

@test "metrics by cgroup (one that is gone, and one whose name has its hash) are two" {
	CGROUP_LINGER=0 attach
	base=${WORK#"$CGROUP_ROOT"}
	other=$(colliding "$base/nginx.service" "$base/")
	mkdir -p "$WORK/nginx.service" "$CGROUP_ROOT$other"
	in_cgroup "$WORK/nginx.service" "$TRAFFIC" open 5
	in_cgroup "$CGROUP_ROOT$other" "$TRAFFIC" open 3
	"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/text"
	grep -F "tcp_cgroup_active_connections_total{cgroup=\"$base/nginx.service\"} 5" "$BATS_TEST_TMPDIR/text"
	poll rmdir "$WORK/nginx.service" 2>/dev/null
	is_merged() {
		[ -z "$(cgroup_metric active_connections "$base/nginx.service")" ]
	}
	poll is_merged
	"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/text"
	grep '^tcp_cgroup_active_connections_total' "$BATS_TEST_TMPDIR/text"
	label=$(printf '%s' "$other" | sed 's/[\\"]/\\&/g')
	grep -qxF "tcp_cgroup_active_connections_total{cgroup=\"$label\"} 3" "$BATS_TEST_TMPDIR/text"
	[ "$(cgroup_metric active_connections other)" -ge 5 ]
}

# delegate DIR: to nobody, as a service manager does.
delegate() {
	mkdir -p "$1"
	chown 65534 "$1" "$1/cgroup.procs"
}

as_nobody_in() {
	in_cgroup "$1" setpriv --reuid 65534 --regid 65534 --clear-groups "${@:2}"
}

# How many cgroups below DIR have a line.
lines_below() {
	"$HELPERS/tcp-metrics" | grep -c "^tcp_cgroup_active_connections_total{cgroup=\"${1#"$CGROUP_ROOT"}/" || true
}

@test "metrics by cgroup (a user makes 300 in a delegated subtree) leave places for others" {
	CGROUP_SERIES=40 CGROUP_LINGER=1 attach
	delegate "$WORK/user"
	as_nobody_in "$WORK/user" "$TRAFFIC" cgroups "$WORK/user" 300
	[ "$(lines_below "$WORK/user")" -ge 5 ]
	[ "$(lines_below "$WORK/user")" -le 20 ]
	# Neither another owner nor another place in it makes another subtree of it.
	mkdir "$WORK/user/more"
	chown 65533 "$WORK/user/more"
	in_cgroup "$WORK/user/more" "$TRAFFIC" open 2
	[ "$(lines_below "$WORK/user")" -le 20 ]
	# A second one has its share, and there are some left.
	delegate "$WORK/second"
	as_nobody_in "$WORK/second" "$TRAFFIC" cgroups "$WORK/second" 300
	[ "$(lines_below "$WORK/second")" -ge 3 ]
	mkdir "$WORK/new.service"
	in_cgroup "$WORK/new.service" "$TRAFFIC" open 3
	[ "$(cgroup_metric active_connections "${WORK#"$CGROUP_ROOT"}/new.service")" -eq 3 ]
	# Nothing is lost, and what is gone is given back.
	[ "$(cgroup_metric active_connections other)" -ge $((600 - 40)) ]
	[ "$(bpftool -j map dump pinned "$PIN_DIR/maps/tcp_cgroup_shares" | grep -o '"key"' | wc -l)" -ge 2 ]
	poll rmdir "$WORK/user/more" "$WORK/user" "$WORK/second" 2>/dev/null
	given_back() {
		"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/text"
		[ "$(bpftool -j map dump pinned "$PIN_DIR/maps/tcp_cgroup_shares" | tr -d '[:space:]')" = '[]' ]
	}
	poll given_back
}

@test "metrics by cgroup (70 levels down) count as other" {
	attach
	deep=$WORK/user
	for _ in $(seq 70); do
		deep=$deep/d
	done
	mkdir -p "$deep"
	chown 65534 "$WORK/user"
	before=$(cgroup_metric active_connections other)
	in_cgroup "$deep" "$TRAFFIC" open 4
	[ "$(cgroup_metric active_connections other)" -ge $((before + 4)) ]
	[ "$(lines_below "$WORK")" -eq 0 ]
}

@test "metrics by cgroup (CGROUP_SERIES is 0) are left out, and nothing is kept for them" {
	CGROUP_SERIES=0 attach
	mkdir "$WORK"
	in_cgroup "$WORK" "$TRAFFIC" open 4
	no_line '^(# (HELP|TYPE) )?tcp_cgroup_' "$HELPERS/tcp-metrics"
	[ "$(metric tcp_active_connections_total)" -ge 4 ]
	[ "$(bpftool -j map dump pinned "$PIN_DIR/maps/tcp_cgroup_index" | tr -d '[:space:]')" = '[]' ]
}

# A connection in a network namespace that nobody is in and that has no name: attach.sh
# does not find it. Prints "hidden", and closes it when told.
hidden_connection() {
	start hidden sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$WORK" /usr/bin/python3 -c '
import ctypes, os, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
own = os.open("/proc/self/ns/net", os.O_RDONLY)
assert libc.unshare(0x40000000) == 0
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.create_server(("127.0.0.1", 0))
s = socket.create_connection(server.getsockname())
peer = server.accept()[0]
s.sendall(b"x" * int(sys.argv[1]))
peer.recv(int(sys.argv[1]), socket.MSG_WAITALL)
assert libc.setns(own, 0) == 0
print("hidden", flush=True)
sys.stdin.readline()
s.close()
peer.recv(1)
peer.close()' "$1"
}

@test "metrics by cgroup (a socket without a cookie, whose changes another program asked for) take no other's record" {
	mkdir "$WORK"
	bpftool prog loadall "$TREE/.output/test/neighbour.bpf.o" "$NEIGHBOURS" 2>/dev/null
	bpftool cgroup attach "$WORK" sock_ops pinned "$NEIGHBOURS/ask_changes" multi
	hidden_connection 1000
	hidden=$PID
	TCP_SOCKETS=1024 attach
	# Now places are free that were others', of whom much was counted.
	start carry "$TRAFFIC" carry-slowly 400 20000
	"$HELPERS/tcp-metrics" >/dev/null
	echo >"$BATS_TEST_TMPDIR/carry.in"
	wait "$PID"
	kill "$hidden"
	wait "$hidden" || true
	[ "$(cgroup_metric sent_bytes "${WORK#"$CGROUP_ROOT"}")" -eq 1000 ]
	[ "$(cgroup_metric received_bytes "${WORK#"$CGROUP_ROOT"}")" -eq 1000 ]
	bpftool cgroup detach "$WORK" sock_ops pinned "$NEIGHBOURS/ask_changes"
}

@test "attach.sh (a connection of before closes while it is at work) counts nothing that it carried" {
	mkdir "$WORK" "$BATS_TEST_TMPDIR/bin"
	start carry sh -c 'echo 0 >"$0/cgroup.procs"; exec unshare -n sh -c "ip link set lo up && exec \"\$@\"" sh "$@"' \
		"$WORK" "$TRAFFIC" carry-slowly 2 100000
	# The own network namespace has been looked at when this is run for the others.
	cat >"$BATS_TEST_TMPDIR/bin/nsenter" <<-END
		#!/bin/sh
		echo >"$BATS_TEST_TMPDIR/carry.in"
		for _ in \$(seq 100); do
			grep -q '^State:.[^Z]' /proc/$PID/status || break
			sleep 0.1
		done
		: >"$BATS_TEST_TMPDIR/closed"
		PATH=$PATH exec nsenter "\$@"
	END
	chmod +x "$BATS_TEST_TMPDIR/bin/nsenter"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH attach
	[ -e "$BATS_TEST_TMPDIR/closed" ]
	in_cgroup "$WORK" "$TRAFFIC" carry 3 1000
	[ "$(cgroup_metric sent_bytes "${WORK#"$CGROUP_ROOT"}")" -eq 9000 ]
	[ "$(cgroup_metric received_bytes "${WORK#"$CGROUP_ROOT"}")" -eq 9000 ]
}

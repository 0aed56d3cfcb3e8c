#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What is read of the sockets that are alive, and by cgroup.

load helper

setup() {
	WORK=$CGROUP_ROOT/connpin_test_$$
}

teardown() {
	stop_all
	detach
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

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The five counters beside the kernel's own, 1,000 events of each.
#
# Traffic runs in a network namespace of its own, whose snmp counters start at 0
# and count nothing else. connpin counts the whole host, so on a host that is not
# quiet a window with traffic elsewhere is thrown away and tried again.

load helper

COUNTERS="tcp_active_connections_total tcp_passive_connections_total tcp_failed_connections_total
	tcp_resets_sent_total tcp_resets_received_total"

setup_file() {
	attach
}

teardown_file() {
	detach
}

values() {
	local name
	for name in $COUNTERS; do
		metric "$name"
	done
}

# What the rest of the host did: any change of these spoils a window.
elsewhere() {
	awk '$1 == "Tcp:"' /proc/net/snmp | cut -d ' ' -f 6-9,15
}

# count_window COMMAND...: run it, its output the snmp file of its own namespace, and
# set ACTIVE, PASSIVE, FAILED, SENT, RECEIVED to what connpin counted meanwhile and
# SNMP_* to what the kernel did.
count_window() {
	local before after rest tries=30
	while :; do
		rest=$(elsewhere)
		mapfile -t before < <(values)
		"$@" >"$BATS_TEST_TMPDIR/snmp"
		mapfile -t after < <(values)
		[ "$rest" != "$(elsewhere)" ] || break
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
	ACTIVE=$((after[0] - before[0]))
	PASSIVE=$((after[1] - before[1]))
	FAILED=$((after[2] - before[2]))
	SENT=$((after[3] - before[3]))
	RECEIVED=$((after[4] - before[4]))
	SNMP_ACTIVE=$(snmp Tcp ActiveOpens "$BATS_TEST_TMPDIR/snmp")
	SNMP_PASSIVE=$(snmp Tcp PassiveOpens "$BATS_TEST_TMPDIR/snmp")
	SNMP_FAILED=$(snmp Tcp AttemptFails "$BATS_TEST_TMPDIR/snmp")
	SNMP_SENT=$(snmp Tcp OutRsts "$BATS_TEST_TMPDIR/snmp")
	SNMP_ENDED=$(snmp Tcp EstabResets "$BATS_TEST_TMPDIR/snmp")
	SNMP_ABORTED=$(snmp TcpExt TCPAbortOnData "$BATS_TEST_TMPDIR/snmp")
	echo "connpin $ACTIVE $PASSIVE $FAILED $SENT $RECEIVED," \
		"snmp $SNMP_ACTIVE $SNMP_PASSIVE $SNMP_FAILED $SNMP_SENT ended $SNMP_ENDED aborted $SNMP_ABORTED"
}

count_events() {
	count_window unshare -n sh -c 'ip link set lo up && "$0" "$1" "$2" && cat /proc/net/snmp /proc/net/netstat' \
		"$TRAFFIC" "$1" "$2"
}

@test "tcp-metrics (just attached) has all five counters, without labels" {
	for name in $COUNTERS; do
		[[ $(metric "$name") =~ ^[0-9]+$ ]]
		"$HELPERS/tcp-metrics" | grep -qx "# TYPE $name counter"
		"$HELPERS/tcp-metrics" | grep -q "^# HELP $name ."
	done
}

@test "tcp-metrics (1,000 connections) counts active and passive opens as snmp does" {
	count_events open 1000
	[ "$ACTIVE" -eq 1000 ]
	[ "$SNMP_ACTIVE" -eq 1000 ]
	[ "$PASSIVE" -eq 1000 ]
	[ "$SNMP_PASSIVE" -eq 1000 ]
	[ "$FAILED" -eq 0 ]
	[ "$SNMP_FAILED" -eq 0 ]
	[ "$SENT" -eq 0 ]
	[ "$SNMP_SENT" -eq 0 ]
	[ "$RECEIVED" -eq 0 ]
}

@test "tcp-metrics (1,000 refused) counts failures and the resets for a closed port as snmp does" {
	count_events refuse 1000
	[ "$FAILED" -eq 1000 ]
	[ "$SNMP_FAILED" -eq 1000 ]
	[ "$SENT" -eq 1000 ]
	[ "$SNMP_SENT" -eq 1000 ]
	# Each of them ended an attempt.
	[ "$RECEIVED" -eq 1000 ]
	# snmp counts the attempt; here it was never established.
	[ "$ACTIVE" -eq 0 ]
	[ "$SNMP_ACTIVE" -eq 1000 ]
	[ "$PASSIVE" -eq 0 ]
	[ "$SNMP_PASSIVE" -eq 0 ]
}

@test "tcp-metrics (1,000 sockets that connect to themselves) counts no failure" {
	count_events self 1000
	# Simultaneous open: SYN_SENT to SYN_RECV, then to ESTABLISHED.
	[ "$FAILED" -eq 0 ]
	[ "$SNMP_FAILED" -eq 0 ]
	[ "$ACTIVE" -eq 0 ]
	[ "$SNMP_ACTIVE" -eq 1000 ]
	[ "$PASSIVE" -eq 1000 ]
	[ "$SNMP_PASSIVE" -eq 0 ]
}

@test "tcp-metrics (1,000 resets of established connections) counts them sent and received" {
	count_events reset 1000
	[ "$SENT" -eq 1000 ]
	[ "$SNMP_SENT" -eq 1000 ]
	# Each reset ends two sockets: the sender's and the receiver's.
	[ "$RECEIVED" -eq 1000 ]
	[ "$SNMP_ENDED" -eq 2000 ]
	[ "$ACTIVE" -eq 1000 ]
	[ "$PASSIVE" -eq 1000 ]
	[ "$FAILED" -eq 0 ]
	[ "$SNMP_FAILED" -eq 0 ]
}

# Without fentry a connection that ended by data after its close looks as if a reset
# had come: as many more as the kernel's TCPAbortOnData.
received_is() {
	local more=0
	has fentry || more=$SNMP_ABORTED
	[ "$RECEIVED" -eq "$(($1 + more))" ]
}

@test "tcp-metrics (1,000 resets by TIME_WAIT sockets) counts them as snmp does" {
	count_events late 1000
	[ "$SENT" -eq 1000 ]
	[ "$SNMP_SENT" -eq 1000 ]
	received_is 1000
}

@test "tcp-metrics (data after the close, 1,000 times) counts what came and what went" {
	count_window unshare -n sh -c 'ip link set lo up && "$0" late 1000 linger && cat /proc/net/snmp /proc/net/netstat' \
		"$TRAFFIC"
	[ "$SNMP_ABORTED" -eq 1000 ]
	[ "$SENT" -eq 1000 ]
	[ "$SNMP_SENT" -eq 1000 ]
	received_is 1000
}

@test "tcp-metrics (two processes, each on a CPU) loses no count" {
	count_events_twice() {
		unshare -n sh -c 'ip link set lo up
			taskset 1 "$0" open 2000 & taskset 2 "$0" open 2000; wait; cat /proc/net/snmp' "$TRAFFIC"
	}
	count_window count_events_twice
	[ "$ACTIVE" -eq 4000 ]
	[ "$SNMP_ACTIVE" -eq 4000 ]
	[ "$PASSIVE" -eq 4000 ]
	[ "$SNMP_PASSIVE" -eq 4000 ]
}

@test "tcp-metrics (20,000 connections by four processes, read all the time) loses nothing" {
	run -0 unshare -n sh -c 'ip link set lo up && exec "$@"' sh \
		"$TREE/test/scrapes.bash" 20000 "$TRAFFIC" "$HELPERS/tcp-metrics"
	[[ ${lines[-1]} = *" scrapes" ]]
	[ "${lines[-1]%% *}" -ge 2 ]
}

@test "tcp-metrics (counters after attach again) goes on counting from where it was" {
	count=$(metric tcp_active_connections_total)
	[ "$count" -gt 0 ]
	attach
	[ "$(metric tcp_active_connections_total)" -ge "$count" ]
}

# A field of what bpftool tells of the pinned PROGRAM.
told() {
	bpftool prog show pinned "$1" | sed -n "1s/.*$2 \([0-9]*\).*/\1/p"
}

@test "tcp-metrics (unprivileged) tells of the programs what bpftool tells root, who alone may open them" {
	pin=$PIN_DIR/port_tracker/handle_sendmsg4
	statistics=/proc/sys/kernel/bpf_stats_enabled
	nobody=(setpriv --reuid 65534 --regid connpin --clear-groups)
	were=$(cat "$statistics")
	echo 0 >"$statistics"
	"${nobody[@]}" "$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/not" || true
	echo 1 >"$statistics"
	"$TRAFFIC" send 127.0.0.1 23560 100 </dev/null >/dev/null
	root_first="$(told "$pin" run_cnt) $(told "$pin" run_time_ns)"
	"${nobody[@]}" "$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/kept" || true
	root_then="$(told "$pin" run_cnt) $(told "$pin" run_time_ns)"
	echo "$were" >"$statistics"

	said() {
		sed -n "s/^connpin_program_$1_total{program=\"$2\"} //p" "$BATS_TEST_TMPDIR/kept"
	}
	said="$(said runs handle_sendmsg4) $(said run_seconds handle_sendmsg4)"
	echo "$root_first, $said, $root_then"
	awk -v first="$root_first" -v said="$said" -v then="$root_then" 'BEGIN {
		split(first, f); split(said, s); split(then, t)
		ns = int(s[2] * 1e9 + 0.5)
		exit !(f[1] >= 100 && s[1] >= f[1] && s[1] <= t[1] && ns >= f[2] && ns <= t[2])
	}'
	run ! grep '^connpin_program_run' "$BATS_TEST_TMPDIR/not"
	# All of them, and no one else's.
	sed -n 's/^connpin_program_misses_total{program="\(.*\)"} [0-9]*$/\1/p' "$BATS_TEST_TMPDIR/not" |
		sort >"$BATS_TEST_TMPDIR/listed"
	find "$PIN_DIR" -path "$PIN_DIR/maps" -prune -o -path "$PIN_DIR/links" -prune -o \
		-type f -printf '%f\n' | sort |
		cmp - "$BATS_TEST_TMPDIR/listed"
	# With its descriptor anyone may attach a program once more.
	run ! "${nobody[@]}" cat "$pin"
	[[ $output = *"Permission denied"* ]]
}

@test "tcp-metrics (RUN_DIR in the file of settings) finds there which features are on" {
	printf 'RUN_DIR=%s\n' "$RUN_DIR" >"$BATS_TEST_TMPDIR/conf"
	CONNPIN_CONF=$BATS_TEST_TMPDIR/conf run -0 env -u RUN_DIR "$HELPERS/tcp-metrics"
	[[ $output = *'connpin_feature_info{feature="tcp_opens"'* ]]
	CONNPIN_CONF=/nonexistent RUN_DIR=/nonexistent run -0 "$HELPERS/tcp-metrics"
	[[ $output != *connpin_feature_info* ]]
}

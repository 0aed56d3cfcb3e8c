#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# attach.sh and detach.sh: idempotent, undone when they fail, nothing left behind.

load helper

setup() {
	BEFORE=$(inventory_before)
}

teardown() {
	stop_all
	detach
	# Nothing leaks; and the next test finds what the kernel frees later gone.
	unchanged_since "$BEFORE"
}

# A copy of the built tree in which something can be broken.
broken_tree() {
	mkdir -p "$BATS_TEST_TMPDIR/tree/.output"
	cp -a "$TREE/scripts" "$TREE/etc" "$TREE/helpers" "$TREE/cgi-bin" "$BATS_TEST_TMPDIR/tree"
	cp -a "$TREE/.output/bpf" "$TREE/.output/helpers" "$BATS_TEST_TMPDIR/tree/.output"
	BROKEN=$BATS_TEST_TMPDIR/tree
}

# break_object NAME...: in the broken tree, which then is another build, it does not load.
break_object() {
	local name
	for name; do
		: >"$BROKEN/.output/bpf/$name.bpf.o"
		sed -i "s/^\(.'object $name') found='\)[0-9a-f]*/\10/" "$BROKEN/.output/bpf/inventory"
	done
}

# Nothing of the tracker can be had.
break_tracker() {
	break_object port_tracker tracker tracker_sockops tracker_tcp tracker_udp4 tracker_udp6 \
		tracker_plain_tcp tracker_plain_udp4 tracker_plain_udp6 \
		tracker_pid_tcp tracker_pid_udp4 tracker_pid_udp6
}

count_attached() {
	local now
	now=$(bpftool cgroup show "$CGROUP_ROOT" | grep -c " multi  *$1 " || true)
	# Those of another installation do not count.
	echo $((now - $(grep -c "^cgroup .* multi  *$1 " <<<"$BEFORE")))
}

own_ids() {
	local pin
	for pin in "$PIN_DIR"/*/handle_* "$PIN_DIR"/*/on_*; do
		[ ! -f "$pin" ] || [ "${pin%/links/*}" != "$pin" ] || bpftool prog show pinned "$pin" | sed -n '1s/:.*//p'
	done
}

@test "attach.sh pins and attaches what the contract names" {
	attach
	for pin in maps/conn_to_pid_v4 maps/conn_to_pid_v6 port_tracker/handle_sockops \
		port_tracker/handle_sendmsg4 port_tracker/handle_sendmsg6; do
		[ -e "$PIN_DIR/$pin" ]
	done
	bpftool map show pinned "$PIN_DIR/maps/conn_to_pid_v4" | tr '\n' ' ' |
		grep -q 'lru_hash .*key 12B  value 4B  max_entries 65536'
	bpftool map show pinned "$PIN_DIR/maps/conn_to_pid_v6" | tr '\n' ' ' |
		grep -q 'lru_hash .*key 24B  value 4B  max_entries 16384'
	for program in handle_sockops handle_sendmsg4 handle_sendmsg6; do
		id=$(bpftool prog show pinned "$PIN_DIR/port_tracker/$program" | sed -n '1s/:.*//p')
		bpftool cgroup show "$CGROUP_ROOT" | grep -q "^$id .* multi  *$program"
	done
}

@test "attach.sh (again) changes nothing" {
	attach
	ids=$(own_ids)
	inventory=$(bpf_inventory)
	attach
	unchanged_since "$inventory"
	[ "$(own_ids)" = "$ids" ]
}

@test "detach.sh returns the host to what it was, and can be run again" {
	attach
	detach
	unchanged_since "$BEFORE"
	run -0 "$SCRIPTS/detach.sh"
	[ "$output" = "detach.sh: not attached: nothing to do" ]
	unchanged_since "$BEFORE"
}

@test "detach.sh (blocker attached too) returns the host to what it was" {
	attach
	run -0 "$SCRIPTS/ipv6-block.sh" on
	detach
	unchanged_since "$BEFORE"
}

@test "attach.sh (killed after its steps in turn, then run again) converges" {
	attach
	after_one=$(bpf_inventory)
	detach
	# A bpftool that kills the script in front of its Nth change of the system, a line each
	# when it is given several.
	mkdir "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/bpftool" <<-'END'
		#!/bin/bash
		is_killed_before() {
			case "$1" in
			"map create "* | "map update "* | "prog loadall "* | "cgroup attach "* | "cgroup detach "*)
				n=$(($(cat "$COUNT") + 1))
				echo "$n" >"$COUNT"
				[ "$n" -eq "$KILL_AT" ]
				;;
			*) false ;;
			esac
		}
		# It waits for this one, so it is gone before it could go on. Whatever stays here
		# would go on holding the lock.
		end() { kill -9 "$PPID"; exit 1; }
		if [ "$1" = batch ]; then
			done_before=
			while read -r line; do
				if is_killed_before "$line"; then
					printf '%s' "$done_before" | "$REAL" "$@"
					end
				fi
				done_before+=$line$'\n'
			done
			"$REAL" "$@" <<<"$done_before"
			exit
		fi
		! is_killed_before "$*" || end
		exec "$REAL" "$@"
	END
	chmod +x "$BATS_TEST_TMPDIR/bin/bpftool"
	REAL=$(command -v bpftool)
	export REAL COUNT=$BATS_TEST_TMPDIR/count
	# Spread over all of them; test/host/faults.bats takes each in "make soak".
	stride=7
	[ -z "${CONNPIN_KERNEL_LINE-}" ] || stride=20
	KILL_AT=1
	while :; do
		echo 0 >"$COUNT"
		rc=0
		KILL_AT=$KILL_AT PATH="$BATS_TEST_TMPDIR/bin:$PATH" "$SCRIPTS/attach.sh" >/dev/null 2>&1 || rc=$?
		attach
		unchanged_since "$after_one"
		[ "$(count_attached handle_sockops)" -eq 1 ]
		detach
		unchanged_since "$BEFORE"
		[ "$rc" -ne 0 ] || break
		[ "$rc" -eq 137 ]
		KILL_AT=$((KILL_AT + stride))
		[ "$KILL_AT" -lt 150 ]
	done
	# The maps, two loads and three attachments at the least.
	[ "$KILL_AT" -gt 12 ]
}

@test "attach.sh (nothing of the tracker loads) undoes what it did and says why" {
	broken_tree
	break_tracker
	run -3 "$BROKEN/scripts/attach.sh"
	[[ $output = *"attach.sh: cannot attach the tracker: "* ]]
	unchanged_since "$BEFORE"
}

@test "attach.sh (a new build fails over a running one) leaves the running one alone" {
	attach
	ids=$(own_ids)
	inventory=$(bpf_inventory)
	broken_tree
	break_tracker
	run -3 "$BROKEN/scripts/attach.sh"
	unchanged_since "$inventory"
	[ "$(own_ids)" = "$ids" ]
}

@test "attach.sh (a new build) takes the old one's place and keeps the maps' contents" {
	attach
	run -0 "$TRAFFIC" open 3
	ids=$(own_ids)
	inventory=$(bpf_inventory)
	opened=$(metric tcp_active_connections_total)
	listed=$("$HELPERS/conn-list" | wc -l)
	[ "$listed" -ge 3 ]
	broken_tree
	cp "$TREE"/.output/test/upgrade/* "$BROKEN/.output/bpf/"
	run -0 "$BROKEN/scripts/attach.sh"
	[ "$(own_ids)" != "$ids" ]
	unchanged_since "$inventory"
	[ "$("$HELPERS/conn-list" | wc -l)" -ge "$listed" ]
	[ "$(metric tcp_active_connections_total)" -ge "$opened" ]
	# And it records.
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	run -0 "$HELPERS/conn-lookup" -q 127.0.0.1 "$(client_port)" "$PORT"
	[ "$output" = "$PID" ]
}

@test "attach.sh (counters of an older layout) carries them over and says so" {
	# The map of 0.1.0: five counters, for each CPU.
	"$SCRIPTS/ipv6-block.sh" on >/dev/null 2>&1
	[ -d "$PIN_DIR/maps" ]
	bpftool map create "$PIN_DIR/maps/tcp_metrics" type percpu_array key 4 value 40 entries 1 \
		flags 0 name tcp_metrics
	cpus=$(tr -s ',-' '\n' </sys/devices/system/cpu/possible | tail -n 1)
	# bpftool gives it to each CPU.
	bpftool map update pinned "$PIN_DIR/maps/tcp_metrics" key 0 0 0 0 value \
		1 2 0 0 0 0 0 0 2 2 0 0 0 0 0 0 3 2 0 0 0 0 0 0 4 2 0 0 0 0 0 0 5 2 0 0 0 0 0 0
	# And one that has a single entry, of ten counters.
	rm "$PIN_DIR/maps/tracker_metrics"
	bpftool map create "$PIN_DIR/maps/tracker_metrics" type percpu_array key 4 value 80 entries 1 \
		flags 0 name tracker_metrics
	# shellcheck disable=SC2046 # zeros
	bpftool map update pinned "$PIN_DIR/maps/tracker_metrics" key 0 0 0 0 value 0 2 $(printf '0 %.0s' {1..78})
	attach
	grep -q 'tcp_metrics has another layout: its counts are carried over' "$BATS_FILE_TMPDIR/attach.log"
	recorded='connpin_recorded_total{protocol="tcp",family="ipv4"}'
	[ "$(metric "$recorded")" -ge $(((cpus + 1) * 512)) ]
	# Carried once: not twice as many.
	[ "$(metric "$recorded")" -lt $(((cpus + 1) * 768)) ]
	[ ! -e "$PIN_DIR/maps/tcp_metrics_new" ]
	# 512 and its number, times the CPUs; what the host did meanwhile comes on top.
	n=$((cpus + 1))
	[ "$(metric tcp_active_connections_total)" -ge $((n * 513)) ]
	[ "$(metric tcp_active_connections_total)" -lt $((n * 513 + 10000)) ]
	[ "$(metric tcp_resets_received_total)" -ge $((n * 517)) ]
	# They had no reason, and the sum still is the total.
	[ "$(metric 'tcp_connection_failures_total{reason="other"}')" -ge $((n * 515)) ]
	# Once more nothing changes, and counting goes on.
	before=$(metric tcp_active_connections_total)
	attach
	[ "$(metric tcp_active_connections_total)" -ge "$before" ]
	"$TRAFFIC" open 10
	[ "$(metric tcp_active_connections_total)" -ge $((before + 10)) ]
}

@test "attach.sh (fentry object does not load) counts by tracepoint and status.sh says so" {
	broken_tree
	break_object tcp_states
	run -0 "$BROKEN/scripts/attach.sh"
	run -1 "$BROKEN/scripts/status.sh"
	[[ $output = *"tcp_states       degraded  tp_btf/inet_sock_set_state"*"counts the same; fentry/tcp_set_state: "* ]]
	before=$(metric tcp_active_connections_total)
	run -0 "$TRAFFIC" open 100
	[ "$(($(metric tcp_active_connections_total) - before))" -ge 100 ]
}

@test "attach.sh (each optional object does not load) attaches the rest and names what is off" {
	for optional in udp_connect:connected_udp udp_asked:udp_replies port_tracker:tcp_events tcp_states:tcp_states \
		resets_sent:resets_sent resets_received:resets_received tcp_live:live_sockets; do
		rm -rf "$BATS_TEST_TMPDIR/tree"
		broken_tree
		for object in "$BROKEN/.output/bpf"/*"${optional%%:*}"*.bpf.o; do
			break_object "$(basename "$object" .bpf.o)"
		done
		[ "${optional%%:*}" != tcp_states ] || break_object tcp_counters tcp_counters_tp tcp_counters_raw
		[ "${optional%%:*}" != port_tracker ] || break_object tracker_sockops
		run -0 "$BROKEN/scripts/attach.sh"
		[[ $output = *"attach.sh: ${optional#*:} is off: "* ]]
		run -1 "$BROKEN/scripts/status.sh"
		[[ $output =~ ${optional#*:}\ +off ]]
		[[ $output = *"tcp_opens        on "* ]]
		detach
	done
	unchanged_since "$BEFORE"
}

@test "attach.sh (what counts TIME_WAIT, or tidies the cgroups, does not load) counts the live sockets all the same" {
	local broken
	start_server 127.0.0.1
	for broken in tcp_live "tcp_live tcp_live_cgroups" "tcp_live tcp_live_cgroups tcp_live_times"; do
		rm -rf "$BATS_TEST_TMPDIR/tree"
		broken_tree
		# shellcheck disable=SC2086 # names
		break_object $broken
		run -0 "$BROKEN/scripts/attach.sh"
		"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/text"
		grep -q '^tcp_connections{state="listen"} [1-9]' "$BATS_TEST_TMPDIR/text"
		run "$BROKEN/scripts/status.sh"
		case $broken in
		tcp_live | *_times)
			[[ $output =~ live_sockets\ +degraded ]]
			no_line '^tcp_connections.state="time_wait"' cat "$BATS_TEST_TMPDIR/text"
			;;
		*)
			[[ $output =~ live_sockets\ +on ]]
			grep -q '^tcp_connections{state="time_wait"} ' "$BATS_TEST_TMPDIR/text"
			;;
		esac
		case $broken in
		tcp_live)
			[[ $output =~ by_cgroup\ +on ]]
			grep -q '^tcp_cgroup_' "$BATS_TEST_TMPDIR/text"
			;;
		*)
			[[ $output =~ by_cgroup\ +off ]]
			no_line '^tcp_cgroup_' cat "$BATS_TEST_TMPDIR/text"
			;;
		esac
		detach
	done
}

@test "attach.sh (no object with processes and accepted connections loads) records who opened, and says what is off" {
	broken_tree
	break_object port_tracker tracker tracker_sockops tracker_tcp tracker_udp4 tracker_udp6 accepted accepted_early \
		accepted_tp open_sockets udp_connect udp_connect_split udp_connect_tp
	run -0 "$BROKEN/scripts/attach.sh"
	run -1 "$BROKEN/scripts/status.sh"
	echo "$output"
	[[ $output = *"tcp_opens        on "* ]]
	[[ $output =~ connected_udp\ +(on|degraded) ]]
	for off in processes accepted open_before; do
		[[ $output =~ $off\ +off ]]
	done
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	run -0 "$HELPERS/conn-lookup" -j 127.0.0.1 "$(client_port)" "$PORT"
	[[ $output = *'"status":"live"'*'"owner":"opener"'* ]]
	run -1 "$HELPERS/conn-lookup" 127.0.0.1 "$PORT" "$(client_port)"
	start udp "$TRAFFIC" udp-connect 127.0.0.1 "$PORT"
	[ "$("$HELPERS/conn-lookup" -q -p udp 127.0.0.1 "$(client_port)" "$PORT")" = "$(client_pid)" ]
	stop_all
	detach
	unchanged_since "$BEFORE"
}

@test "attach.sh (fentry taken) counts by fentry and status.sh says all is on" {
	requires fentry
	attach
	run -0 "$SCRIPTS/status.sh"
	[[ $output = *"tcp_states       on        fentry/tcp_set_state since "* ]]
}

@test "attach.sh (a foreign program without multi) names it and attaches the rest" {
	cgroup=$CGROUP_ROOT/connpin_test_$$
	mkdir "$cgroup"
	bpftool prog loadall "$TREE/.output/bpf/port_tracker.bpf.o" /sys/fs/bpf/connpin_foreign 2>/dev/null
	bpftool cgroup attach "$cgroup" sendmsg4 pinned /sys/fs/bpf/connpin_foreign/handle_sendmsg4
	id=$(bpftool prog show pinned /sys/fs/bpf/connpin_foreign/handle_sendmsg4 | sed -n '1s/:.*//p')
	middle=$(bpf_inventory)
	CGROUP=$cgroup run -0 "$SCRIPTS/attach.sh"
	said=$output
	# Its features are still what they are when attach.sh runs again.
	first=$(own_ids)
	CGROUP=$cgroup run -0 "$SCRIPTS/attach.sh"
	again=$(own_ids)
	run -1 "$SCRIPTS/status.sh"
	shown=$output
	detach
	rc=0
	unchanged_since "$middle" || rc=$?
	bpftool cgroup detach "$cgroup" sendmsg4 pinned /sys/fs/bpf/connpin_foreign/handle_sendmsg4
	rm -r /sys/fs/bpf/connpin_foreign
	rmdir "$cgroup"
	[ "$rc" -eq 0 ]
	[[ $said = *"udp_sends_v4 is off: cgroup/sendmsg4: program $id (handle_sendmsg4) is attached without multi to $cgroup; detach it, or attach it with multi"* ]]
	[[ $shown =~ udp_sends_v4\ +off ]]
	[[ $shown = *"tcp_opens        on "* ]]
	[[ $shown = *"udp_sends_v6     on "* ]]
	[ "$first" = "$again" ]
	unchanged_since "$BEFORE"
}

@test "attach.sh (someone's program of the same name with multi) stays through attach and detach" {
	bpftool prog loadall "$TREE/.output/bpf/ipv6_blocker.bpf.o" /sys/fs/bpf/connpin_foreign 2>/dev/null
	bpftool cgroup attach "$CGROUP_ROOT" connect6 pinned /sys/fs/bpf/connpin_foreign/block_connect6 multi
	middle=$(bpf_inventory)
	run -0 "$SCRIPTS/ipv6-block.sh" on
	detach
	rc=0
	unchanged_since "$middle" || rc=$?
	bpftool cgroup detach "$CGROUP_ROOT" connect6 pinned /sys/fs/bpf/connpin_foreign/block_connect6
	rm -r /sys/fs/bpf/connpin_foreign
	[ "$rc" -eq 0 ]
	unchanged_since "$BEFORE"
}

@test "detach.sh (strangers' pins in its directories) leaves and names them" {
	attach
	bpftool prog loadall "$TREE/.output/bpf/ipv6_blocker.bpf.o" /sys/fs/bpf/connpin_foreign 2>/dev/null
	mv /sys/fs/bpf/connpin_foreign/block_sendmsg6 "$PIN_DIR/port_tracker/stranger"
	rm -r /sys/fs/bpf/connpin_foreign
	run -0 "$SCRIPTS/detach.sh"
	[ -e "$PIN_DIR/port_tracker/stranger" ]
	[[ $output = *"$PIN_DIR/port_tracker is left: not ours is $PIN_DIR/port_tracker/stranger"* ]]
	rm -r "$PIN_DIR"
	attach
	bpftool map create "$PIN_DIR/maps/stranger" type array key 4 value 4 entries 1 name stranger
	run -0 "$SCRIPTS/detach.sh"
	[ -e "$PIN_DIR/maps/stranger" ]
	[[ $output = *"not ours is $PIN_DIR/maps/stranger"* ]]
	rm "$PIN_DIR/maps/stranger"
	rmdir "$PIN_DIR/maps" "$PIN_DIR"
	unchanged_since "$BEFORE"
}

@test "attach.sh (two at once) both succeed and attach once" {
	"$SCRIPTS/attach.sh" >"$BATS_TEST_TMPDIR/one" 2>&1 3>&- &
	first=$!
	run -0 "$SCRIPTS/attach.sh"
	wait "$first"
	[ "$(count_attached handle_sockops)" -eq 1 ]
}

@test "attach.sh (another CGROUP while attached) says to detach first" {
	attach
	mkdir "$CGROUP_ROOT/connpin_test_$$"
	CGROUP=$CGROUP_ROOT/connpin_test_$$ run -3 "$SCRIPTS/attach.sh"
	rmdir "$CGROUP_ROOT/connpin_test_$$"
	[[ $output = *"run scripts/detach.sh first"* ]]
}

@test "attach.sh (capacities from the environment) makes maps of that size" {
	CONN_V4_ENTRIES=1024 CONN_V6_ENTRIES=512 attach
	bpftool map show pinned "$PIN_DIR/maps/conn_to_pid_v4" | grep -q 'max_entries 1024 '
	bpftool map show pinned "$PIN_DIR/maps/conn_to_pid_v6" | grep -q 'max_entries 512 '
	# Taken over as it is by the next, which says so.
	run -0 "$SCRIPTS/attach.sh"
	[[ $output = *"conn_to_pid_v4 keeps its capacity; 65536 entries from the next"* ]]
}

@test "attach.sh (a pinned map of another layout) refuses and changes nothing" {
	mkdir -p "$PIN_DIR/maps"
	bpftool map create "$PIN_DIR/maps/conn_to_pid_v4" type array key 4 value 8 entries 1 name conn_to_pid_v4
	middle=$(bpf_inventory)
	run -3 "$SCRIPTS/attach.sh"
	[[ $output = *"conn_to_pid_v4 has another layout than this build"* ]]
	unchanged_since "$middle"
}

@test "attach.sh (kernel memory) takes at most 28 MB in all at the default capacities" {
	attach
	total=0 all=0
	for pin in "$PIN_DIR"/maps/*; do
		bytes=$(bpftool map show pinned "$pin" | sed -n 's/.*memlock \([0-9]*\)B.*/\1/p')
		echo "$pin $bytes"
		all=$((all + bytes))
		case $pin in
		*/conn_identity) identity=$bytes ;;
		*/conn_identity_in | */conn_process | */other_*) more=$((${more-0} + bytes)) ;;
		*/tcp_*) metrics=$((${metrics-0} + bytes)) ;;
		*) total=$((total + bytes)) ;;
		esac
	done
	# Linux 6.1 counts less of a hash than it takes.
	[ "$total" -gt 1000000 ]
	[ "$total" -le 8000000 ]
	[ "$identity" -gt 7000000 ]
	[ "$identity" -le 14600000 ]
	[ "$more" -le 5000000 ]
	[ "$metrics" -le 2000000 ]
	[ "$all" -le 28000000 ]
}

@test "a full table keeps the newest entries and answers for them" {
	CONN_V4_ENTRIES=1024 attach
	run -0 "$TRAFFIC" fan 127.0.0.1 23539 5000
	[ "${lines[5000]}" = "done" ]
	ports=("${lines[@]:0:5000}")
	"$HELPERS/conn-list" >"$BATS_TEST_TMPDIR/list"
	listed=$(grep -c '^udp 127.0.0.1 [0-9]* 23539 ' "$BATS_TEST_TMPDIR/list")
	echo "$listed of 1024 held"
	# The LRU keeps some elements free on each CPU: 128 at a time change hands.
	[ "$listed" -gt 700 ]
	printf 'udp 127.0.0.1 %s 23539\n' "${ports[@]:4800}" >"$BATS_TEST_TMPDIR/newest"
	run -0 "$HELPERS/conn-lookup" - <"$BATS_TEST_TMPDIR/newest"
	[ "${#lines[@]}" -eq 200 ]
	[[ $output != *error* ]]
	# A port that was used again later is new again.
	printf 'udp 127.0.0.1 %s 23539\n' "${ports[@]:0:2000}" | sort -u >"$BATS_TEST_TMPDIR/oldest"
	printf 'udp 127.0.0.1 %s 23539\n' "${ports[@]:2000}" | sort -u >"$BATS_TEST_TMPDIR/later"
	comm -23 "$BATS_TEST_TMPDIR/oldest" "$BATS_TEST_TMPDIR/later" >"$BATS_TEST_TMPDIR/gone"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/gone")" -gt 500 ]
	# Strictly by age it is not: some stay that lie in a list of another CPU. (The identity
	# table is another size, and knows them all.)
	left=$("$HELPERS/conn-list" -p udp | cut -d ' ' -f 1-4 | sort |
		comm -12 - "$BATS_TEST_TMPDIR/gone" | wc -l)
	echo "$left of the oldest $(wc -l <"$BATS_TEST_TMPDIR/gone") are left"
	[ "$left" -lt 200 ]
}

@test "status.sh (nothing attached) exits 3 and says what to do" {
	run -3 "$SCRIPTS/status.sh"
	[[ $output = "status.sh: nothing is attached"*"run scripts/attach.sh" ]]
}

@test "status.sh (attached) shows hooks, times and how full the maps are" {
	attach
	run -0 "$TRAFFIC" open 2
	run "$SCRIPTS/status.sh"
	[ "$status" -le 1 ]
	[[ $output = *"tcp_opens        on        sock_ops since 20"* ]]
	[[ $output =~ conn_to_pid_v4\ +[1-9][0-9]*\ of\ 65536\ entries ]]
}

@test "status.sh (a hook was taken off by hand) exits 1 and names it" {
	attach
	bpftool cgroup detach "$CGROUP_ROOT" sendmsg4 pinned "$PIN_DIR/port_tracker/handle_sendmsg4"
	run -1 "$SCRIPTS/status.sh"
	[[ $output = *"udp_sends_v4     off"* ]]
	# attach.sh mends it.
	attach
	run "$SCRIPTS/status.sh"
	[[ $output = *"udp_sends_v4     on"* ]]
}

# A mock: Debian has no kernel as old any more. What it shows is what attach.sh reads.
@test "attach.sh (Linux 5.9) says that 5.10 is needed and changes nothing" {
	echo 5.9.16-amd64 >"$BATS_TEST_TMPDIR/osrelease"
	run -3 unshare -m sh -c 'mount --bind "$0" /proc/sys/kernel/osrelease && exec "$1"' \
		"$BATS_TEST_TMPDIR/osrelease" "$SCRIPTS/attach.sh"
	[ "$output" = "attach.sh: Linux 5.9.16-amd64 is too old: 5.10 or later is needed" ]
	unchanged_since "$BEFORE"
}

@test "attach.sh (kernel without BTF) says so and changes nothing" {
	run -3 unshare -m sh -c 'mount -t tmpfs tmpfs /sys/kernel/btf && exec "$0"' "$SCRIPTS/attach.sh"
	[[ $output = "attach.sh: this kernel has no BTF"* ]]
	unchanged_since "$BEFORE"
}

@test "attach.sh (nobody reads what it says any more) attaches all the same" {
	bash -c 'set -o pipefail; "$0" 2>&1 | head -n 1' "$SCRIPTS/attach.sh"
	run "$SCRIPTS/status.sh"
	[ "$status" -le 1 ]
	[[ $output = *"tcp_opens        on "* ]]
	[[ $output = *"by_cgroup        on"* ]]
	run -0 "$SCRIPTS/attach.sh"
	[[ $output = *"already attached: nothing to do"* ]]
}

@test "attach.sh and detach.sh (a user wants to hold their lock) go on" {
	attach
	detach
	# The file that it may open, and the directory.
	for lock in "$RUN_DIR/attach.lock" "$RUN_DIR/lock" "$RUN_DIR"; do
		setpriv --reuid 65534 --regid 65534 --clear-groups flock "$lock" sleep 30 3>&- 2>/dev/null &
		STARTED="${STARTED-} $!"
	done
	sleep 0.2
	LOCK_SECONDS=1 attach
	LOCK_SECONDS=1 detach
}

@test "attach.sh (root holds the lock for ever) names the process after a while" {
	mkdir -p "$RUN_DIR"
	# As a script of ours has it, by descriptor 9.
	sh -c 'exec 9>>"$0"; flock 9; echo $$ >"$0"; echo locked; exec sleep 30' "$RUN_DIR/attach.lock" \
		>"$BATS_TEST_TMPDIR/locked" 3>&- &
	STARTED="${STARTED-} $!"
	poll test -s "$BATS_TEST_TMPDIR/locked"
	holder=$(cat "$RUN_DIR/attach.lock")
	STARTED="$STARTED $holder"
	LOCK_SECONDS=1 run -3 "$SCRIPTS/attach.sh"
	[[ $output = *"process $holder holds $RUN_DIR/attach.lock for more than 1 s"* ]]
	unchanged_since "$BEFORE"
}

@test "detach.sh (the record of the cgroup is lost, CGROUP is another) finds what is attached" {
	mkdir "$CGROUP_ROOT/connpin_test_$$"
	CGROUP=$CGROUP_ROOT/connpin_test_$$ attach
	rm -r "$RUN_DIR"
	run -0 "$SCRIPTS/detach.sh"
	rmdir "$CGROUP_ROOT/connpin_test_$$"
	[[ $output = *"attached to $CGROUP_ROOT/connpin_test_$$, though nothing says so any more"* ]]
	unchanged_since "$BEFORE"
}

@test "attach.sh (in a directory with a blank and a # in its name) attaches" {
	local odd="$BATS_TEST_TMPDIR/a tree #1"
	mkdir -p "$odd/.output"
	cp -a "$TREE/scripts" "$TREE/etc" "$TREE/helpers" "$odd"
	ln -s "$TREE/.output/bpf" "$odd/.output/bpf"
	run -0 "$odd/scripts/attach.sh"
	run "$odd/scripts/status.sh"
	[[ $output = *"tcp_opens        on"* ]]
}

@test "status.sh (a directory of pins was removed) names what is not attached any more, and all others" {
	attach
	# Not of a cgroup: without a pin nobody could take those off.
	rm -r "$PIN_DIR/tcp_live"
	run -1 "$SCRIPTS/status.sh"
	[[ $output = *"program_stats    off"*"it was attached and is not any more: run scripts/attach.sh"*"conn_to_pid_v6"* ]]
	attach
	run "$SCRIPTS/status.sh"
	[[ $output = *"program_stats    on"* ]]
}

@test "attach.sh (a stranger's pin where the old programs would go) says what is in the way, and changes nothing" {
	attach
	ids=$(own_ids)
	mkdir "$PIN_DIR/tcp_live_old"
	bpftool map create "$PIN_DIR/tcp_live_old/strange" type array key 4 value 4 entries 1 name strange
	run -3 "$SCRIPTS/attach.sh"
	rm -r "$PIN_DIR/tcp_live_old"
	[[ $output = *"$PIN_DIR/tcp_live_old is in the way: remove what is not ours in it"* ]]
	[ "$(own_ids)" = "$ids" ]
}

@test "attach.sh (the record of the cgroup is lost, CGROUP is another) names where it is attached, and changes nothing" {
	mkdir "$CGROUP_ROOT/connpin_test_$$"
	CGROUP=$CGROUP_ROOT/connpin_test_$$ attach
	ids=$(own_ids)
	rm -r "$RUN_DIR"
	run -3 "$SCRIPTS/attach.sh"
	[ "$(own_ids)" = "$ids" ]
	CGROUP=$CGROUP_ROOT/connpin_test_$$ "$SCRIPTS/detach.sh" 2>/dev/null
	rmdir "$CGROUP_ROOT/connpin_test_$$"
	[[ $output = *"attached to $CGROUP_ROOT/connpin_test_$$, and CGROUP is now"*"run scripts/detach.sh first"* ]]
}

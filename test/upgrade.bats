#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Another build is attached while connections are opened: none is missed, nothing that
# was counted is lost, and nothing counts twice while both are attached.

load helper
load load

setup() {
	WORK=$CGROUP_ROOT/connpin_test_$$
	SECOND=/sys/fs/bpf/${PIN_DIR##*/}_second
	mkdir "$WORK"
	attach
}

teardown() {
	stop_all
	[ ! -e "$SECOND" ] || bpftool cgroup detach "$CGROUP_ROOT" sock_ops pinned "$SECOND/handle_sockops" || true
	rm -f "$SECOND"_links/*
	rm -rf "$SECOND" "$SECOND"_links "$SECOND"_programs
	detach
	poll rmdir "$WORK" 2>/dev/null
}

# A copy of the built tree with every program in other instructions.
other_build() {
	OTHER=$BATS_TEST_TMPDIR/other
	mkdir -p "$OTHER/.output"
	cp -a "$TREE/scripts" "$TREE/etc" "$TREE/helpers" "$TREE/cgi-bin" "$OTHER"
	cp -a "$TREE/.output/bpf" "$TREE/.output/helpers" "$OTHER/.output"
	cp "$TREE"/.output/test/upgrade/*.bpf.o "$TREE"/.output/test/upgrade/inventory "$OTHER/.output/bpf/"
}

tags() {
	local pin
	for pin in "$PIN_DIR"/port_tracker/* "$PIN_DIR"/tcp_monitor/*; do
		bpftool prog show pinned "$pin" | sed -n '1s/.*name \([^ ]*\)  tag \([^ ]*\).*/\1 \2/p'
	done
}

@test "attach.sh (another build, and back, at 1,000 connections a second) misses none and loses no count" {
	other_build
	old=$(tags)
	rate=1000 seconds=12
	# Emulated, the machine does what it can, for as long as the two exchanges take.
	[ -z "${CONNPIN_KERNEL_LINE-}" ] || { rate=100 seconds=600 && export SAMPLE_SECONDS=0.3; }
	# Its first connections would come on several CPUs at once, and some count as "other".
	in_work "$TRAFFIC" open 1
	own=$CGROUP_ROOT$(sed -n 's/^0:://p' /proc/self/cgroup)
	echo $BASHPID >"$WORK/cgroup.procs"
	start_load "$rate" "$seconds"
	echo $BASHPID >"$own/cgroup.procs"
	sleep 1
	run -0 "$OTHER/scripts/attach.sh"
	new=$(tags)
	sleep 1
	run -0 "$SCRIPTS/attach.sh"
	[ "$(tags)" = "$old" ]
	[ -z "${CONNPIN_KERNEL_LINE-}" ] || stop_load
	end_load
	# Each of the programs was another, but for two that are a few instructions long.
	[ "$(printf '%s\n' "$old" "$new" | grep -v 'on_receive_reset\|on_send_reset' | sort | uniq -d)" = "" ]
	if [ -z "${CONNPIN_KERNEL_LINE-}" ]; then
		[ "$CONNECTIONS" -ge $((rate * seconds * 9 / 10)) ]
	else
		[ "$CONNECTIONS" -ge 200 ]
	fi
	echo "$CONNECTIONS connections, counted $COUNTED" | tee -a "${CONNPIN_REPORT-/dev/null}"
	[ "$COUNTED" -ge "$CONNECTIONS" ]
	# The rest of this host may have added to that, but not to these.
	[ -z "${CONNPIN_KERNEL_LINE-}" ] || [ "$COUNTED" -eq "$CONNECTIONS" ]
	[ "$(cgroup_metric active_connections)" -eq $((CONNECTIONS + 1)) ]
	[ "$(cgroup_metric passive_connections)" -eq $((CONNECTIONS + 1)) ]
	[ "$(cgroup_metric failed_connections)" -eq 0 ]
}

@test "attach.sh (a program of an older build that this one has not) takes it off" {
	bpftool prog loadall "$TREE/.output/test/neighbour.bpf.o" "$SECOND"_programs 2>/dev/null
	mkdir "$PIN_DIR/tcp_events"
	mv "$SECOND"_programs/ask_changes "$PIN_DIR/tcp_events/on_tcp_event"
	bpftool cgroup attach "$CGROUP_ROOT" sock_ops pinned "$PIN_DIR/tcp_events/on_tcp_event" multi
	run -0 "$SCRIPTS/attach.sh"
	[ ! -e "$PIN_DIR/tcp_events" ]
	no_line ask_changes bpftool cgroup show "$CGROUP_ROOT"
}

# with_maps OBJECT: the words that make it use the pinned maps.
with_maps() {
	local map found
	inventory object "$1"
	words=()
	# Behind the checksum.
	for map in ${found#* }; do
		words+=(map name "$map" pinned "$PIN_DIR/maps/$map")
	done
}

# The programs that count, of another build, beside those that attach.sh attached.
attach_second() {
	local words=() states=tcp_states pin
	has fentry || states=tcp_states_tp
	. "$TREE/.output/bpf/inventory"
	with_maps port_tracker
	bpftool prog loadall "$TREE/.output/test/upgrade/port_tracker.bpf.o" "$SECOND" "${words[@]}" 2>/dev/null
	bpftool cgroup attach "$CGROUP_ROOT" sock_ops pinned "$SECOND/handle_sockops" multi
	with_maps "$states"
	bpftool prog loadall "$TREE/.output/test/upgrade/$states.bpf.o" "${SECOND}_programs" "${words[@]}" 2>/dev/null
	mkdir "${SECOND}_links"
	for pin in "${SECOND}_programs"/*; do
		"$HELPERS/attach-tracing" tracing "$pin" "${SECOND}_links/${pin##*/}"
	done
}

in_work() {
	sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$WORK" "$@"
}

cgroup_metric() {
	"$HELPERS/tcp-metrics" | sed -n "s|^tcp_cgroup_$1_total{cgroup=\"${WORK#"$CGROUP_ROOT"}\"} ||p"
}

@test "metrics (two builds at once, a connection that a scrape has counted closes) count its bytes once" {
	start carry sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$WORK" "$TRAFFIC" carry-slowly 2 10485760
	# Each end's last byte could be a FIN until it closes.
	[ "$(cgroup_metric sent_bytes)" -eq $((6 * 10485760)) ]
	[ "$(cgroup_metric received_bytes)" -eq $((6 * 10485760 - 4)) ]
	attach_second
	stop_all
	[ "$(cgroup_metric sent_bytes)" -eq $((6 * 10485760)) ]
	[ "$(cgroup_metric received_bytes)" -eq $((6 * 10485760)) ]
}

@test "metrics (two builds at once) count each connection once" {
	attach_second
	in_work "$TRAFFIC" carry 100 1000
	in_work "$TRAFFIC" refuse 100
	[ "$(cgroup_metric active_connections)" -eq 100 ]
	[ "$(cgroup_metric passive_connections)" -eq 100 ]
	[ "$(cgroup_metric failed_connections)" -eq 100 ]
	[ "$(cgroup_metric sent_bytes)" -eq 300000 ]
	[ "$(cgroup_metric received_bytes)" -eq 300000 ]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Another build is attached while connections are opened: none is missed, nothing that
# was counted is lost, and what is counted twice stays within the overlap.

load helper
load load

setup() {
	attach
}

teardown() {
	stop_all
	detach
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
	for pin in "$PIN_DIR"/port_tracker/* "$PIN_DIR"/tcp_events/* "$PIN_DIR"/tcp_monitor/*; do
		bpftool prog show pinned "$pin" | sed -n '1s/.*name \([^ ]*\)  tag \([^ ]*\).*/\1 \2/p'
	done
}

@test "attach.sh (another build, and back, at 1,000 connections a second) misses none and loses no count" {
	other_build
	old=$(tags)
	rate=1000 seconds=12
	# Emulated, the machine does what it can, for as long as the two exchanges take.
	[ -z "${CONNPIN_KERNEL_LINE-}" ] || { rate=100 seconds=600 && export SAMPLE_SECONDS=0.3; }
	start_load "$rate" "$seconds"
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
	# Both builds are attached for a part of a second, twice; emulated, for longer.
	[ -n "${CONNPIN_KERNEL_LINE-}" ] || [ "$COUNTED" -le $((CONNECTIONS + CONNECTIONS / 4)) ]
	[ "$COUNTED" -le $((CONNECTIONS * 2)) ]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The status page in a real browser: Debian's Chromium, driven by playwright-core.

load ../helper

HERE=$TREE/test/host
export NODE_TOOLS=$TREE/.output/tools/node SCREENS=$TREE/.output/test/screens
export CHROMIUM=/usr/bin/chromium-headless-shell

setup_file() {
	mkdir -p "$SCREENS"
	attach
	"$SCRIPTS/serve.sh" -b >"$BATS_FILE_TMPDIR/serve.log" 2>&1 3>&-
}

teardown_file() {
	"$SCRIPTS/serve.sh" -k
	detach
}

teardown() {
	stop_all
}

page() {
	timeout 90 node "$HERE/page.mjs" "$1" "http://$LISTEN/" "${@:2}" 3>&-
}

@test "the page, with its style and script, has less than 40 kB" {
	[ "$(cat "$TREE"/cgi-bin/index.html "$TREE"/cgi-bin/connpin.* | wc -c)" -lt 40000 ]
}

@test "the page shows the counters as they are, and asks no other host" {
	"$TRAFFIC" refuse 25
	names='tcp_failed_connections_total tcp_resets_received_total'
	for name in $names; do
		echo "$name $(metric "$name")"
	done >"$BATS_TEST_TMPDIR/before"
	# shellcheck disable=SC2086 # words
	page counters $names >"$BATS_TEST_TMPDIR/page"
	cat "$BATS_TEST_TMPDIR/page"
	# Others on this host may go on meanwhile.
	for name in $names; do
		low=$(sed -n "s/^$name //p" "$BATS_TEST_TMPDIR/before")
		seen=$(sed -n "s/^$name //p" "$BATS_TEST_TMPDIR/page")
		[ "$low" -ge 25 ]
		[ "$seen" -ge "$low" ]
		[ "$seen" -le "$(metric "$name")" ]
	done
}

@test "the lookup form (keyboard alone) answers with the process" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	page lookup 127.0.0.1 "$PORT" "$(client_port)" "$PID" errors
}

@test "the page passes axe-core: light, dark, on a phone" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	"$TRAFFIC" open 50
	page axe
}

@test "the page (65,536 entries) stays at hand" {
	"$TREE/.output/test/bench/fill" "$PIN_DIR/maps/conn_to_pid_v4"
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	# The LRU holds a little less.
	page table 65000 "$(client_port)" | tee "$BATS_TEST_TMPDIR/said"
	grep -q '^longest task' "$BATS_TEST_TMPDIR/said"
}

@test "the page (not attached) says what to do" {
	detach
	run -0 page refused 'not attached.*run attach.sh' errors
	attach
}

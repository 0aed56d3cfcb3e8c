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
	page lookup 127.0.0.1 "$PORT" "$(client_port)" "$PID" live "$TRAFFIC" errors
	# When it has ended, too.
	client=$PID
	stop_all
	page lookup 127.0.0.1 "$PORT" "$(client_port)" "$client" exited "$TRAFFIC" errors
}

@test "the page shows who made a socket that is neither TCP nor UDP" {
	start packet "$TRAFFIC" hold-socket packet 4
	page sockets "$PID"
}

# hostile SHOWN HEX: a client that calls itself so, with arguments no better.
hostile() {
	start "hostile$1" /usr/bin/python3 "$HERE/hostile.py" "$PORT" "$2"
	echo "$PID $3" >>"$BATS_TEST_TMPDIR/shown"
}

@test "the page (processes with markup, control characters, bad UTF-8, 128 kB) shows harmless text" {
	# Served with command lines, which the setting of the other server leaves out.
	export LISTEN=127.0.0.1:$((${LISTEN##*:} + 3)) HTTP_RUN_DIR=${RUN_DIR}_page LOOKUP_CMDLINE=yes
	"$SCRIPTS/serve.sh" -b 3>&-
	start_server 127.0.0.1
	hostile 1 '3c696d67207372633d78206f3d313e' '<img src=x o=1>'
	hostile 2 '1b5b33316d070a22275c' '\u001b[31m\u0007\u000a"'"'\\"
	hostile 3 '61ffe280aee262' $'a\ufffd\\u202e\ufffdb'
	hostile 4 '266c743b622667743b' '&lt;b&gt;'
	rc=0
	page hostile "$PORT" "$BATS_TEST_TMPDIR/shown" || rc=$?
	# What the server said of each is JSON, by a parser of someone else.
	curl -s "http://$LISTEN/cgi-bin/list?dport=$PORT" >"$BATS_TEST_TMPDIR/list"
	"$HELPERS/conn-list" -j --dst-port "$PORT" | while IFS= read -r line; do
		source_port=${line#*'"src_port":'}
		curl -s "http://$LISTEN/cgi-bin/lookup?dst=127.0.0.1&sport=${source_port%%,*}&dport=$PORT"
	done >>"$BATS_TEST_TMPDIR/list"
	"$SCRIPTS/serve.sh" -k
	rmdir "$HTTP_RUN_DIR"
	[ "$rc" -eq 0 ]
	/usr/bin/python3 -c 'import json, sys
lines = open(sys.argv[1], "rb").read().decode("utf-8").splitlines()
assert len(lines) == 8, len(lines)
assert sum("<script>" in json.loads(line).get("cmdline", "") for line in lines) == 4' "$BATS_TEST_TMPDIR/list"
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
	run -0 page refused 'not attached.*run scripts/attach.sh' errors
	attach
}

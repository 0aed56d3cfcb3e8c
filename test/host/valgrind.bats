#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The helpers under valgrind, built for it with the shared C library, whose functions it
# knows.

load ../helper

setup_file() {
	make -C "$TREE" --no-print-directory valgrind >/dev/null
	attach
}

teardown_file() {
	detach
}

teardown() {
	stop_all
}

# complaints LOG: none but that valgrind does not know a command of bpf(2), or pidfd_open,
# so that it takes what they write for written already.
complaints() {
	no_line '^(--|==[0-9]+== [^W]|\*\*)' sed -E '/^--[0-9]+-- (WARNING: unhandled|You may be|Read the file|Nevertheless|it at http)/d' "$1"
}

# clean STATUS NAME ARGUMENT...: that status, and no complaint of valgrind's.
clean() {
	local status=$1 name=$2 rc=0
	shift 2
	valgrind -q --error-exitcode=99 --leak-check=full --track-fds=no --log-file="$BATS_TEST_TMPDIR/valgrind" \
		"$TREE/.output/valgrind/$name" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || rc=$?
	cat "$BATS_TEST_TMPDIR/err"
	echo "$name $*: status $rc"
	complaints "$BATS_TEST_TMPDIR/valgrind"
	[ "$rc" -eq "$status" ]
}

@test "conn-lookup (valgrind) has nothing to complain of" {
	for address in 127.0.0.1 ::1; do
		start_server "$address" "$address"
		start "client$address" "$TRAFFIC" connect "$address" "$PORT"
		clean 0 conn-lookup "$address" "$(client_port)" "$PORT"
		clean 0 conn-lookup -q "$address" "$(client_port)" "$PORT"
		clean 0 conn-lookup -j -p tcp "$address" "$(client_port)" "$PORT"
		grep -q "\"pid\":$PID," "$BATS_TEST_TMPDIR/out"
	done
	clean 1 conn-lookup 192.0.2.1 1 2
	clean 2 conn-lookup
	clean 2 conn-lookup x 1 2
	clean 2 conn-lookup --nonsense
	clean 0 conn-lookup --help
	PIN_DIR=/nonexistent clean 3 conn-lookup 192.0.2.1 1 2
}

@test "conn-lookup - (valgrind, good and bad lines) has nothing to complain of" {
	for file in "$TREE"/test/fuzz/corpus/lookup_batch/*; do
		clean 0 conn-lookup - <"$file"
	done
}

@test "conn-list, tcp-metrics, metrics-cgi, read-settings (valgrind) have nothing to complain of" {
	run -0 "$TRAFFIC" open 50
	clean 0 conn-list
	clean 0 conn-list -j --dst 127.0.0.1 -p tcp
	clean 2 conn-list --pid x
	clean 0 tcp-metrics
	PIN_DIR=/nonexistent clean 3 tcp-metrics
	REQUEST_METHOD=GET HTTP_HOST=localhost clean 0 metrics-cgi
	REQUEST_METHOD=HEAD HTTP_HOST=localhost SERVER_SOFTWARE='busybox httpd/1.35.0' clean 0 metrics-cgi
	REQUEST_METHOD=GET HTTP_HOST=rebound.example clean 0 metrics-cgi
	REQUEST_METHOD=POST clean 0 metrics-cgi
	for file in "$TREE"/test/fuzz/corpus/settings/{default,set,all}; do
		clean 0 read-settings "$file"
	done
	clean 2 read-settings "$TREE/test/fuzz/corpus/settings/bad"
	clean 0 read-settings --lenient "$TREE/test/fuzz/corpus/settings/bad"
}

# answers STATUS NAME QUERY [VARIABLE=VALUE...]: that status line, and no complaint.
answers() {
	local status=$1 name=$2 query=$3
	shift 3
	(
		# shellcheck disable=SC2163 # words NAME=VALUE
		export REQUEST_METHOD=GET REMOTE_ADDR=192.0.2.7 LOOKUP_ALLOW=192.0.2.0/24 HTTP_HOST=localhost QUERY_STRING="$query" "$@"
		clean 0 "$name"
	)
	grep -q "^Status: $status " "$BATS_TEST_TMPDIR/out"
}

@test "lookup-cgi, list-cgi (valgrind) have nothing to complain of" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	for name in lookup-cgi list-cgi; do
		answers 200 "$name" "dst=127.0.0.1&sport=$(client_port)&dport=$PORT&protocol=tcp"
		grep -q "\"pid\":$PID," "$BATS_TEST_TMPDIR/out"
		answers 400 "$name" "dst=x&sport=1&dport=2"
		answers 400 "$name" "dst=%3&sport=1&dport=2"
		answers 403 "$name" "" REMOTE_ADDR=192.0.2.1 LOOKUP_ALLOW='2001:db8::/32 198.51.100.1'
		answers 403 "$name" "" HTTP_HOST=rebound.example
		answers 403 "$name" "" HTTP_HOST=rebound.example SERVER_NAMES='a b.example'
		answers 400 "$name" "" HTTP_HOST=
		# No client has these: both ways of asking the kernel.
		answers 403 "$name" "" REMOTE_ADDR=127.0.0.1 REMOTE_PORT=1
		answers 403 "$name" "" REMOTE_ADDR='[::1]' REMOTE_PORT=x
		answers 405 "$name" "" REQUEST_METHOD=POST
		answers 503 "$name" "dst=1.2.3.4&sport=1&dport=2" PIN_DIR=/nonexistent
	done
	answers 404 lookup-cgi "dst=192.0.2.1&sport=1&dport=2"
	answers 200 list-cgi "dport=$PORT&encoding=gzip"
	sed '1,/^\r$/d' "$BATS_TEST_TMPDIR/out" | gzip -d | grep -q "\"pid\":$PID,"
}

@test "run-httpd (valgrind) has nothing to complain of" {
	mkdir "$BATS_TEST_TMPDIR/home"
	: >"$BATS_TEST_TMPDIR/conf"
	valgrind -q --error-exitcode=99 --log-file="$BATS_TEST_TMPDIR/valgrind" "$TREE/.output/valgrind/run-httpd" \
		-t 1 -n 1000 "$BATS_TEST_TMPDIR/home" "$BATS_TEST_TMPDIR/conf" "$LISTEN" 3>&- &
	pid=$!
	STARTED="${STARTED-} $pid"
	poll curl -s -o /dev/null "http://$LISTEN/"
	start clients /usr/bin/python3 "$TREE/test/slow_clients.py" "${LISTEN%:*}" "${LISTEN##*:}" 9
	# It looks at them each second.
	sleep 2.5
	kill "$pid"
	wait "$pid"
	complaints "$BATS_TEST_TMPDIR/valgrind"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Requests made to run something: each answers 400, and no process is started but the
# program that answers, as the kernel's list of execve calls shows.

load ../helper

setup_file() {
	attach
}

teardown_file() {
	detach
}

setup() {
	mkdir "$BATS_TEST_TMPDIR/here"
	# shellcheck disable=SC1003 # backslashes, not escapes
	PAYLOADS=(
		';id' '|id' '||id' '&&id' '`id`' '$(id)' '$((1+1))' '${IFS}id' '$IFS$9id' '<(id)' '>(id)' '>x' '<x' '1>&2'
		"';id;'" '";id;"' '\;id' '\' '\\' "'" '"' '!!' '~' '~root' '*' '?' '[a-z]*' '{id,}' '#' '--' '-h' '--help'
		'-V' '-p' '-' '--protocol=udp' '%0aid' '%0d%0aX-A:%20b' '%00' '%26id' '%3Bid' '%7Cid' '%60id%60' '%24(id)' '%'
		'%%' '%2' '%zz' '%3' $'\nid' $'\rid' $'a\tb' $'\001' $'\177' $'\377\376' $'\xe2\x80\xa8' '../../etc/passwd'
		'/etc/passwd' '/dev/tcp/127.0.0.1/1' 'file:///etc/passwd' '() { :;}; id' '$0' '$@' '$QUERY_STRING' '${PATH}'
		'{{7*7}}' '<script>alert(1)</script>' '1 OR 1=1' '1.2.3.4;id' '1.2.3.4 id' '1.2.3.4/32' '1.2.3.4%lo'
		'::1%lo' '1.2.3.4,5' 'localhost' '0x7f000001' '+1' '-1' '1e1' '1_0' ' 1' '１'
		'99999999999999999999' "$(printf '%0200d' 1)" "$(printf 'A%.0s' {1..4000})"
	)
}

# ask QUERY: the answer of ASKED in ANSWER and STATUS, and what was executed in RAN.
ASKED=lookup
ask() {
	ANSWER=$(cd "$TREE/cgi-bin/cgi-bin" && REQUEST_METHOD=GET REMOTE_ADDR=192.0.2.7 LOOKUP_ALLOW=192.0.2.7 HTTP_HOST=localhost \
		QUERY_STRING=$1 strace -f -qq -e trace=execve -e signal=none -o "$BATS_TEST_TMPDIR/trace" "./$ASKED" 2>"$BATS_TEST_TMPDIR/err" | tr -d '\0')
	STATUS=$(sed -n '1s/^Status: \([0-9]*\) .*/\1/p' <<<"$ANSWER")
	# Where PATH leads nowhere nothing is run.
	RAN=$(sed -n '/ENOENT/d; s/.*execve("\([^"]*\)".*/\1/p' "$BATS_TEST_TMPDIR/trace" | tr '\n' ' ')
}

is_refused() {
	ask "$1"
	echo "query: $1"
	echo "status $STATUS, ran: $RAN"
	[ "$STATUS" = 400 ]
	[ ! -s "$BATS_TEST_TMPDIR/err" ]
	[ "$RAN" = "./$ASKED " ]
	# Three header lines, an empty one, and one JSON object that repeats nothing of it.
	[ "$(wc -l <<<"$ANSWER")" -eq 5 ]
	# "%zone" and brackets are of a message of its own.
	[[ ${ANSWER##*$'\n'} =~ ^'{"error":"'[]A-Za-z0-9\ \':,_%[-]+'"}'$ ]]
}

@test "lookup (each payload as each parameter) answers 400 and runs nothing" {
	[ "${#PAYLOADS[@]}" -gt 75 ]
	for payload in "${PAYLOADS[@]}"; do
		is_refused "dst=$payload&sport=1&dport=2"
			is_refused "dst=1.2.3.4&sport=$payload&dport=2"
		is_refused "dst=1.2.3.4&sport=1&dport=$payload&protocol=tcp"
		is_refused "dst=1.2.3.4&sport=1&dport=2&protocol=$payload"
	done
}

@test "lookup (each payload as the query, as a name, behind a good query) answers 400 and runs nothing" {
	for payload in "${PAYLOADS[@]}"; do
		is_refused "$payload"
		is_refused "$payload=1&dst=1.2.3.4&sport=1&dport=2"
		is_refused "dst=1.2.3.4&sport=1&dport=2&protocol=tcp$payload"
	done
}

@test "lookup (good query, and from another host) runs nothing" {
	ask 'dst=192.0.2.1&sport=1&dport=2'
	[ "$STATUS" = 404 ]
	[ "$RAN" = './lookup ' ]
	cd "$TREE/cgi-bin/cgi-bin"
	for client in '192.0.2.1' '$(id)' '`id`' ';id' '-h' '*' '192.0.2.1 --help' ''; do
		REQUEST_METHOD=GET REMOTE_ADDR=$client QUERY_STRING='dst=1.2.3.4&sport=1&dport=2' LOOKUP_ALLOW=198.51.100.0/24 HTTP_HOST=localhost \
			strace -f -qq -e trace=execve -e signal=none -o "$BATS_TEST_TMPDIR/trace" ./lookup >"$BATS_TEST_TMPDIR/out"
		grep -q '^Status: 403' "$BATS_TEST_TMPDIR/out"
		[ "$(sed -n 's/.*execve("\([^"]*\)".*/\1/p' "$BATS_TEST_TMPDIR/trace" | tr '\n' ' ')" = './lookup ' ]
	done
}

@test "list (each payload as a parameter, as a name) answers 400 and runs nothing; gzip alone is run" {
	ASKED=list
	for payload in "${PAYLOADS[@]}"; do
		is_refused "dst=$payload"
		is_refused "pid=$payload"
		is_refused "dport=9&encoding=gzip$payload"
		is_refused "$payload=gzip"
	done
	ask 'dst=192.0.2.1&encoding=gzip'
	[ "$STATUS" = 200 ]
	[[ $RAN =~ ^'./list '[a-z/]*'/gzip '$ ]]
}

@test "index.cgi and metrics (each payload as the path and the query) run nothing" {
	cd "$TREE/cgi-bin/cgi-bin"
	for payload in "${PAYLOADS[@]}"; do
		REQUEST_URI=$payload QUERY_STRING=$payload REQUEST_METHOD=GET \
			strace -f -qq -e trace=execve -e signal=none -o "$BATS_TEST_TMPDIR/trace" ./index.cgi >"$BATS_TEST_TMPDIR/out"
		grep -q '^Status: 404' "$BATS_TEST_TMPDIR/out"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/trace")" -eq 1 ]
	done
	for method in '' "${PAYLOADS[@]:0:10}"; do
		REQUEST_METHOD=$method strace -f -qq -e trace=execve -e signal=none -o "$BATS_TEST_TMPDIR/trace" \
			"$HELPERS/metrics-cgi" >"$BATS_TEST_TMPDIR/out"
		grep -q '^Status: 405' "$BATS_TEST_TMPDIR/out"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/trace")" -eq 1 ]
	done
}

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
	queries=()
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

# ask QUERY...: ASKED answers each of them. Its answers are in "$ANSWERS/N", what it said on
# stderr in "$ANSWERS/N.err", and all that was executed, once by us and once for each, in RAN.
ASKED=lookup
ask() {
	ANSWERS=$BATS_TEST_TMPDIR/answers
	mkdir "$ANSWERS"
	(
		cd "$TREE/cgi-bin/cgi-bin" || exit
		printf '%s\0' "$@" | strace -f -qq -e trace=execve -e signal=none -o "$BATS_TEST_TMPDIR/trace" \
			/usr/bin/python3 -c 'import os, subprocess, sys
for n, query in enumerate(sys.stdin.buffer.read().split(b"\0")[:-1]):
    with open("%s/%d" % (sys.argv[2], n), "wb") as out, open("%s/%d.err" % (sys.argv[2], n), "wb") as err:
        subprocess.run(["./" + sys.argv[1]], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={
            b"PATH": os.environb[b"PATH"], b"REQUEST_METHOD": b"GET", b"REMOTE_ADDR": b"192.0.2.7",
            b"LOOKUP_ALLOW": b"192.0.2.7", b"HTTP_HOST": b"localhost", b"PIN_DIR": os.environb[b"PIN_DIR"],
            b"RUN_DIR": os.environb[b"RUN_DIR"], b"QUERY_STRING": query, b"REQUEST_URI": query})' "$ASKED" "$ANSWERS"
	)
	# Where PATH leads nowhere nothing is run.
	RAN=$(sed -n '/ENOENT/d; s/.*execve("\([^"]*\)".*/\1/p' "$BATS_TEST_TMPDIR/trace" | uniq -c | awk '{ print $1, $2 }')
}

# are_refused QUERY...: each of them, and nothing else is run.
are_refused() {
	ask "$@"
	echo "ran: $RAN"
	[ "$RAN" = "1 /usr/bin/python3"$'\n'"$# ./$ASKED" ]
	# Three header lines, an empty one, and one JSON object that repeats nothing of the query;
	# "%zone" and brackets are of a message of its own.
	printf '%s\0' "$@" | /usr/bin/python3 -c 'import re, sys
for n, query in enumerate(sys.stdin.buffer.read().split(b"\0")[:-1]):
    answer = open("%s/%d" % (sys.argv[1], n), "rb").read()
    lines = answer.splitlines()
    if not (answer.startswith(b"Status: 400 ") and len(lines) == 5 and
            re.fullmatch(rb"""\{"error":"[]A-Za-z0-9 \x27:,_%[-]+"\}""", lines[4])):
        sys.exit("query %r: %r" % (query, answer))
    if open("%s/%d.err" % (sys.argv[1], n)).read():
        sys.exit("query %r: said something on stderr" % query)' "$ANSWERS"
	rm -r "$ANSWERS"
}

@test "lookup (each payload as each parameter) answers 400 and runs nothing" {
	[ "${#PAYLOADS[@]}" -gt 75 ]
	for payload in "${PAYLOADS[@]}"; do
		queries+=("dst=$payload&sport=1&dport=2" "dst=1.2.3.4&sport=$payload&dport=2"
			"dst=1.2.3.4&sport=1&dport=$payload&protocol=tcp" "dst=1.2.3.4&sport=1&dport=2&protocol=$payload")
	done
	are_refused "${queries[@]}"
}

@test "lookup (each payload as the query, as a name, behind a good query) answers 400 and runs nothing" {
	for payload in "${PAYLOADS[@]}"; do
		queries+=("$payload" "$payload=1&dst=1.2.3.4&sport=1&dport=2"
			"dst=1.2.3.4&sport=1&dport=2&protocol=tcp$payload")
	done
	are_refused "${queries[@]}"
}

@test "lookup (good query, and from another host) runs nothing" {
	ask 'dst=192.0.2.1&sport=1&dport=2'
	grep -qa '^Status: 404' "$ANSWERS/0"
	[ "$RAN" = "1 /usr/bin/python3"$'\n''1 ./lookup' ]
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
		queries+=("dst=$payload" "pid=$payload" "dport=9&encoding=gzip$payload" "$payload=gzip")
	done
	are_refused "${queries[@]}"
	ask 'dst=192.0.2.1&encoding=gzip'
	grep -qa '^Status: 200' "$ANSWERS/0"
	[[ $RAN =~ ^'1 /usr/bin/python3'$'\n''1 ./list'$'\n''1 '[a-z/]*'/gzip'$ ]]
}

@test "index.cgi and metrics (each payload as the path and the query) run nothing" {
	ASKED=index.cgi
	ask "${PAYLOADS[@]}"
	[ "$RAN" = "1 /usr/bin/python3"$'\n'"${#PAYLOADS[@]} ./index.cgi" ]
	[ "$(cat "$ANSWERS"/*[0-9] | grep -ac '^Status: 404')" -eq "${#PAYLOADS[@]}" ]
	for method in '' "${PAYLOADS[@]:0:10}"; do
		REQUEST_METHOD=$method strace -f -qq -e trace=execve -e signal=none -o "$BATS_TEST_TMPDIR/trace" \
			"$HELPERS/metrics-cgi" >"$BATS_TEST_TMPDIR/out"
		grep -q '^Status: 405' "$BATS_TEST_TMPDIR/out"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/trace")" -eq 1 ]
	done
}

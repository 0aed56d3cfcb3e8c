#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The same answers over HTTP, by a real busybox httpd that may only read.

load helper

setup_file() {
	attach
	"$SCRIPTS/serve.sh" -b >"$BATS_FILE_TMPDIR/serve.log" 2>&1 3>&- || {
		cat "$BATS_FILE_TMPDIR/serve.log"
		return 1
	}
}

teardown_file() {
	"$SCRIPTS/serve.sh" -k
	detach
}

teardown() {
	end_other
	stop_all
	bring_back
}

# get PATH: STATUS, TYPE and BODY of the answer.
get() {
	curl -s -m 10 -g -D "$BATS_TEST_TMPDIR/head" -o "$BATS_TEST_TMPDIR/body" "${@:2}" "http://$LISTEN$1"
	STATUS=$(sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' "$BATS_TEST_TMPDIR/head")
	TYPE=$(sed -n 's/^[Cc]ontent-[Tt]ype: \([^\r]*\).*/\1/p' "$BATS_TEST_TMPDIR/head")
	BODY=$(tr -d '\0' <"$BATS_TEST_TMPDIR/body")
	echo "$STATUS $TYPE $BODY"
}

server_pid() {
	cat "$RUN_DIR/httpd.pid"
}

# by_hand [NAME=VALUE...] PROGRAM: a program of cgi-bin, for a client of another host who may
# ask, as run does.
by_hand() {
	run -0 env REQUEST_METHOD=GET REMOTE_ADDR=192.0.2.1 LOOKUP_ALLOW=192.0.2.1 HTTP_HOST=localhost "$@"
}

# as UID[:GID] COMMAND...
as() {
	local user=$1
	shift
	setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups "$@"
}

@test "GET /cgi-bin/metrics answers with the text of tcp-metrics" {
	get /cgi-bin/metrics
	[ "$STATUS" = 200 ]
	[ "$TYPE" = "text/plain; version=0.0.4" ]
	for name in active passive failed; do
		[[ $BODY = *"
tcp_${name}_connections_total "[0-9]* ]]
	done
}

@test "GET /cgi-bin/metrics (Accept names OpenMetrics) answers with that, others with text" {
	get /cgi-bin/metrics -H 'Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
	[ "$STATUS" = 200 ]
	[ "$TYPE" = "application/openmetrics-text; version=1.0.0; charset=utf-8" ]
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/body")" = '# EOF' ]
	grep -qx '# TYPE tcp_active_connections counter' "$BATS_TEST_TMPDIR/body"
	grep -q '^tcp_active_connections_created [0-9]' "$BATS_TEST_TMPDIR/body"
	for accept in '*/*' 'text/plain' 'application/openmetrics-text;q=0.1,text/plain;q=0.9' \
		'application/openmetrics-text;q=0' 'application/openmetrics-textual' ',;q=' ''; do
		get /cgi-bin/metrics -H "Accept: $accept"
		[ "$TYPE" = "text/plain; version=0.0.4" ]
		no_line '^# EOF|_created' cat "$BATS_TEST_TMPDIR/body"
	done
}

@test "GET /metrics redirects to a path that answers the same" {
	get /metrics
	[ "$STATUS" = 302 ]
	get /metrics -L
	grep -q '^HTTP/1.[01] 200' "$BATS_TEST_TMPDIR/head"
	[[ $TYPE = *"text/plain; version=0.0.4" ]]
	[[ $BODY = *tcp_resets_sent_total* ]]
}

@test "GET /cgi-bin/lookup answers with the object of conn-lookup -j" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	want=$(setpriv --reuid connpin --regid connpin --clear-groups "$HELPERS/conn-lookup" -j --no-cmdline 127.0.0.1 "$(client_port)" "$PORT")
	[[ $want = *'"status":"live","comm":"traffic","exe":"'"$TRAFFIC"'","exe_changed":null,"cmdline":null,'* ]]
	for dst in 127.0.0.1 ::ffff:127.0.0.1 %3A%3Affff%3a127%2E0.0.1; do
		get "/cgi-bin/lookup?dst=$dst&sport=$(client_port)&dport=$PORT&protocol=tcp"
		[ "$STATUS" = 200 ]
		[ "$TYPE" = application/json ]
		# The age, at the end, goes on.
		[ "${BODY%:*}" = "${want%:*}" ]
	done
	get "/cgi-bin/lookup?protocol=tcp&dport=$PORT&sport=$(client_port)&dst=127.0.0.1"
	[ "${BODY%:*}" = "${want%:*}" ]
	get "/cgi-bin/lookup?dst=127.0.0.1&sport=$(client_port)&dport=$PORT"
	[ "${BODY%:*}" = "${want%:*}" ]
}

@test "GET /cgi-bin/lookup (LOOKUP_CMDLINE=yes) has the command line" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	cd "$TREE/cgi-bin/cgi-bin"
	for setting in no yes; do
		by_hand LOOKUP_CMDLINE=$setting \
			QUERY_STRING="dst=127.0.0.1&sport=$(client_port)&dport=$PORT" ./lookup
		case $setting in
		no) [[ $output = *'"cmdline":null,'* ]] ;;
		yes) [[ $output = *"\"cmdline\":\"$TRAFFIC connect 127.0.0.1 $PORT\""* ]] ;;
		esac
	done
}

@test "GET /cgi-bin/lookup (not found) answers 404 with an error" {
	get "/cgi-bin/lookup?dst=192.0.2.1&sport=1&dport=2&protocol=udp"
	[ "$STATUS" = 404 ]
	[ "$BODY" = '{"error":"not found"}' ]
}

# bad NAME QUERY: 400, one JSON object whose error names the parameter.
bad() {
	get "/cgi-bin/lookup?$2"
	[ "$STATUS" = 400 ]
	[ "$TYPE" = application/json ]
	[[ $BODY = '{"error":"'*"$1"*'"}' ]]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/body")" -eq 1 ]
}

@test "GET /cgi-bin/lookup (bad parameters) answers 400 and names the parameter" {
	bad "parameter dst is missing" ""
	bad "parameter dst is missing" "sport=1&dport=2"
	bad "parameter sport is missing" "dst=1.2.3.4&dport=2"
	bad "parameter dport is missing" "dst=1.2.3.4&sport=2"
	bad "parameter dst is missing" "dst=&sport=1&dport=2"
	bad "parameter dst is repeated" "dst=1.2.3.4&dst=1.2.3.4&sport=1&dport=2"
	bad "parameter sport is repeated" "dst=1.2.3.4&sport=1&sport=1&dport=2"
	bad "parameter protocol is repeated" "dst=1.2.3.4&sport=1&dport=2&protocol=tcp&protocol=tcp"
	bad "parameter dst is not an IPv4 or IPv6 address" "dst=1.2.3&sport=1&dport=2"
	bad "parameter sport is not a port: a number from 1 to 65535" "dst=1.2.3.4&sport=0&dport=2"
	bad "parameter dport is not a port: a number from 1 to 65535" "dst=1.2.3.4&sport=1&dport=65536"
	bad "parameter protocol is not a protocol: tcp or udp" "dst=1.2.3.4&sport=1&dport=2&protocol=sctp"
	bad "unknown parameter" "dst=1.2.3.4&sport=1&dport=2&proto=udp"
	bad "unknown parameter" "dst"
}

@test "GET /cgi-bin/list answers with the lines of conn-list -j" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	want=$("$HELPERS/conn-list" -j --dst-port "$PORT")
	[[ $want = '{"pid":'"$PID,"*'"comm":"traffic",'* ]]
	# The age, at the end, goes on.
	want=${want%:*}
	for query in "dport=$PORT" "dport=$PORT&sport=$(client_port)&protocol=tcp&dst=127.0.0.1&pid=$PID" \
		"dst=%3A%3Affff%3a127%2E0.0.1&dport=$PORT"; do
		get "/cgi-bin/list?$query"
		[ "$STATUS" = 200 ]
		[ "$TYPE" = application/x-ndjson ]
		[ "${BODY%:*}" = "$want" ]
	done
	get "/cgi-bin/list?dport=$PORT&protocol=udp"
	[ "$STATUS" = 200 ]
	[ -z "$BODY" ]
	get /cgi-bin/list
	grep -qF "$want" "$BATS_TEST_TMPDIR/body"
	get "/cgi-bin/list?dport=$PORT&encoding=gzip"
	grep -qi '^Content-Encoding: gzip' "$BATS_TEST_TMPDIR/head"
	[[ $(gzip -d <"$BATS_TEST_TMPDIR/body") = "$want":* ]]
}

@test "GET /cgi-bin/list (encoding=gzip where there is no gzip) answers without it" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	cd "$TREE/cgi-bin/cgi-bin"
	by_hand QUERY_STRING="dport=$PORT&encoding=gzip" PATH=/nonexistent ./list
	[[ ${lines[0]} = 'Status: 200 OK'* ]]
	[[ $output != *Content-Encoding* ]]
	[[ ${lines[-1]} = '{"pid":'"$PID,"* ]]
}

@test "GET /cgi-bin/list (bad parameters) answers 400 and names the parameter" {
	for query in 'sport=0:sport is not a port' 'dport=65536:dport is not a port' 'sport=a:sport is not a port' \
		'dst=1.2.3:dst is not an IPv4 or IPv6 address' 'protocol=sctp:protocol is not a protocol' \
		'pid=0:pid is not a PID' 'pid=1&pid=1:pid is repeated' 'dst=:dst is missing' \
		'encoding=br:encoding is not an encoding' 'comm=x:unknown parameter' '%70id=1:unknown parameter' \
		'sockets=0:sockets is not 1' 'sockets=1&protocol=udp:protocol is for connections' \
		'sockets=1&dst=1.2.3.4:dst is for connections' 'sport=1&sockets=1:sport is for connections' \
		'sockets=1&dport=1:dport is for connections' 'direction=in&sockets=1:direction is for connections' \
		'sockets=1&direction=out:direction is for connections' 'sockets=1&state=open:state is for connections' \
		'pid=$(id):pid has a character' 'dst=-h:dst has a character' "dst=1':dst has a character"; do
		get "/cgi-bin/list?${query%%:*}"
		[ "$STATUS" = 400 ]
		[ "$TYPE" = application/json ]
		[[ $BODY = '{"error":"'*"${query#*:}"*'"}' ]]
	done
}

@test "GET /cgi-bin/list?direction=in (the table is not there) answers 503 and says so" {
	local direction
	take_away conn_identity_in
	for direction in in any listen; do
		get "/cgi-bin/list?encoding=gzip&direction=$direction"
		[ "$STATUS" = 503 ]
		[[ $BODY = '{"error":"'*'are not recorded here: scripts/status.sh says why"}' ]]
	done
	get "/cgi-bin/list?direction=out"
	[ "$STATUS" = 200 ]
	bring_back
	get "/cgi-bin/list?direction=in"
	[ "$STATUS" = 200 ]
}

# An answer 403, whose error names the setting.
refuses_name() {
	get "$@"
	[ "$STATUS" = 403 ]
	[[ $BODY = *'this host has no such name'*HTTP_NAMES* ]]
	[[ $BODY != *pid* ]]
}

@test "GET of each program (another site's name) answers 403, whoever asks" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	for path in cgi-bin/list cgi-bin/metrics metrics/ "cgi-bin/lookup?dst=127.0.0.1&sport=$(client_port)&dport=$PORT"; do
		for host in rebound.example "rebound.example:${LISTEN##*:}" 1.2.3.4.example localhost.example 1.2.3 1.2.3.4.5 \
			0x7f.1 '[::1' '[localhost]' '::1' 127.0.0.1:x 127.0.0.1:1:2 'localhost:80@x' "$(uname -n).example" . :9090; do
			refuses_name "/$path" -H "Host: $host"
		done
		for host in localhost "localhost:${LISTEN##*:}" LOCALHOST. '[::1]:1' '[fe80::1%25eth0]' 127.0.0.1 192.0.2.77:9090 \
			"$(uname -n):1"; do
			get "/$path" -H "Host: $host"
			[ "$STATUS" = 200 ]
		done
	done
	# What the client says of our names counts for nothing: httpd makes it HTTP_NAMES.
	refuses_name /cgi-bin/metrics -H 'Host: rebound.example' -H 'Names: rebound.example'
	cd "$TREE/cgi-bin/cgi-bin"
	by_hand HTTP_HOST=rebound.example ./list
	[[ $output = 'Status: 403'* ]]
}

@test "GET (a name of HTTP_NAMES) is answered, another is not" {
	other_server HTTP_NAMES='node7.example.org n7'
	for host in node7.example.org:9090 N7 Node7.Example.Org.; do
		for path in metrics list; do
			get "/cgi-bin/$path" -H "Host: $host"
			[ "$STATUS" = 200 ]
		done
	done
	for host in node7.example.or node7.example.org.uk 'node7.example.org n7' ' '; do
		get /cgi-bin/metrics -H "Host: $host"
		[[ $STATUS = 40[03] ]]
	done
}

@test "serve.sh (HTTP_NAMES or LOOKUP_USERS is no list of names) refuses the setting" {
	for setting in HTTP_NAMES=a:9090 HTTP_NAMES=http://a 'HTTP_NAMES= a' HTTP_NAMES=a,b HTTP_NAMES=-a 'HTTP_NAMES=$(id)' 'HTTP_NAMES=*' \
		LOOKUP_USERS=a:b LOOKUP_USERS=a,b LOOKUP_USERS=-1 LOOKUP_USERS=4294967295 LOOKUP_USERS=007 'LOOKUP_USERS=a *' 'LOOKUP_USERS=`id`'; do
		run -2 env "$setting" HTTP_RUN_DIR="${RUN_DIR}_other" "$SCRIPTS/serve.sh" -b
		[[ $output = "serve.sh: setting ${setting%%=*}='${setting#*=}': names "*"are needed" ]]
	done
	for setting in 'HTTP_NAMES=n7 node-7.example.org x_y' 'HTTP_NAMES=' 'LOOKUP_USERS=prom 0 a.b-c_d@e$ 4294967294'; do
		run -0 env "$setting" "$HELPERS/read-settings"
		[[ $output = *"${setting%%=*}:0=${setting#*=}"* ]]
	done
}

# raw HOST PORT BYTES: the answer to these bytes, and nothing else sent.
raw() {
	/usr/bin/python3 -c 'import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.sendall(sys.argv[3].encode().decode("unicode_escape").encode())
while True:
    data = s.recv(65536)
    if not data:
        break
    sys.stdout.buffer.write(data)' "$@"
}

@test "a request without a Host line answers 400" {
	for path in metrics list 'lookup?dst=1.2.3.4&sport=1&dport=2'; do
		for lines in '' 'Host:\r\n' 'X-Host: localhost\r\n'; do
			run -0 raw 127.0.0.1 "${LISTEN##*:}" "GET /cgi-bin/$path HTTP/1.1\r\n$lines\r\n"
			[[ ${lines[0]} = 'HTTP/1.1 400 '* ]]
			[[ $output = *'a Host line is needed'* ]]
		done
	done
}

@test "GET /cgi-bin/lookup (hostile values) answers 400 and runs nothing" {
	touch "$BATS_TEST_TMPDIR/before"
	for value in '%00' '1.2.3.4%00' '%0a' "'" '%22' '%24(id)' '$(touch%20/tmp/connpin_hack)' \
		'`touch%20/tmp/connpin_hack`' ';touch%20/tmp/connpin_hack' '|id' '..%2f..%2fetc%2fpasswd' '*' '-h' '--help' \
		'%0d%0aX-Injected:%201' '<script>' '%ff%fe' '%5c'; do
		bad "parameter dst" "dst=$value&sport=1&dport=2"
		no_line '^[Xx]-[Ii]njected' cat "$BATS_TEST_TMPDIR/head"
		# All take the same way; where the machine is emulated one of them will do.
		[ -z "${CONNPIN_KERNEL_LINE-}" ] || continue
		bad "parameter sport" "dst=1.2.3.4&sport=$value&dport=2"
		bad "parameter protocol" "dst=1.2.3.4&sport=1&dport=2&protocol=$value"
	done
	[ ! -e /tmp/connpin_hack ]
}

@test "GET /cgi-bin/lookup (query of 8 kB) answers 400 and goes on serving" {
	long=$(head -c 7000 /dev/zero | tr '\0' 1)
	bad "parameter dst is too long" "dst=$long&sport=1&dport=2"
	# Over httpd's own limit, of 8 kB for the request line, it does not ask the script.
	get "/cgi-bin/lookup?dst=$long$long&sport=1&dport=2" || true
	[ "$STATUS" != 200 ]
	get /cgi-bin/metrics
	[ "$STATUS" = 200 ]
}

@test "any other method answers 405, and which are allowed" {
	for method in POST PUT DELETE OPTIONS TRACE; do
		for path in /cgi-bin/metrics /cgi-bin/list /cgi-bin/index.cgi "/cgi-bin/lookup?dst=1.2.3.4&sport=1&dport=2"; do
			get "$path" -X "$method"
			[ "$STATUS" = 405 ]
			grep -qi $'^Allow: GET, HEAD\r$' "$BATS_TEST_TMPDIR/head"
		done
		# httpd redirects before anyone is asked; what it leads to says 405.
		get /metrics -X "$method" -L --max-redirs 2 --head
		grep -q '^HTTP/1.[01] 405' "$BATS_TEST_TMPDIR/head"
	done
}

@test "HEAD answers as GET, without the body" {
	for path in /cgi-bin/metrics /metrics/ /cgi-bin/list '/cgi-bin/list?encoding=gzip' /cgi-bin/index.cgi '/cgi-bin/list?pid=x' \
		'/cgi-bin/lookup?dst=192.0.2.1&sport=1&dport=2' '/cgi-bin/lookup?dst=x'; do
		get "$path"
		# What the table and the metrics hold changes with each request, and so does their length.
		sed '/^Date:/d; s/^\(Content-Length: \)[0-9]*/\1/' "$BATS_TEST_TMPDIR/head" >"$BATS_TEST_TMPDIR/head.get"
		run -0 raw 127.0.0.1 "${LISTEN##*:}" "HEAD $path HTTP/1.1\r\nHost: localhost\r\n\r\n"
		diff <(printf '%s\n' "$output" | sed 's/^\(Content-Length: \)[0-9]*/\1/') "$BATS_TEST_TMPDIR/head.get"
	done
	get / -I
	[ "$STATUS" = 200 ]
}

@test "each program's answer closes the connection and has a length" {
	for path in metrics list 'list?encoding=gzip' index.cgi 'lookup?dst=x' 'lookup?dst=192.0.2.1&sport=1&dport=2'; do
		get "/cgi-bin/$path"
		grep -qi $'^Connection: close\r$' "$BATS_TEST_TMPDIR/head"
		length=$(sed -n 's/^Content-Length: \([0-9]*\)\r$/\1/p' "$BATS_TEST_TMPDIR/head")
		[ "$length" -eq "$(stat -c %s "$BATS_TEST_TMPDIR/body")" ]
	done
}

@test "other paths answer 404, and no script is served as text" {
	get /nothing
	[ "$STATUS" = 404 ]
	get /
	[[ $STATUS = [24]* ]]
	for script in metrics lookup list index.cgi; do
		get "/cgi-bin/cgi-bin/$script"
		[ "$STATUS" = 404 ]
		get "/cgi-bin/../cgi-bin/$script" --path-as-is
		[[ $BODY != *'#!/bin/sh'* ]]
	done
}

@test "the server runs as an unprivileged user without capabilities" {
	pid=$(server_pid)
	[ "$(awk '$1 == "Uid:" { print $2 }' "/proc/$pid/status")" = "$(id -u connpin)" ]
	[ "$(awk '$1 == "Gid:" { print $2 }' "/proc/$pid/status")" = "$(getent group connpin | cut -d : -f 3)" ]
	for set in CapEff CapPrm; do
		[ "$(awk -v set="$set:" '$1 == set { print $2 }' "/proc/$pid/status")" = 0000000000000000 ]
	done
}

@test "a user outside the group can't open the pins, a member may only read" {
	run -3 setpriv --reuid 65534 --regid 65534 --clear-groups "$HELPERS/tcp-metrics"
	[[ $output = *"no permission to read"* ]]
	run -0 setpriv --reuid 65534 --regid connpin --clear-groups "$HELPERS/tcp-metrics"
	run ! setpriv --reuid 65534 --regid connpin --clear-groups \
		bpftool map update pinned "$PIN_DIR/maps/conn_to_pid_v4" key 0 0 0 0 0 0 0 0 0 0 0 0 value 0 0 0 0
}

@test "GET /cgi-bin/lookup and list (client of another host) answer 403 unless LOOKUP_ALLOW names it" {
	cd "$TREE/cgi-bin/cgi-bin"
	ask() {
		REQUEST_METHOD=GET REMOTE_ADDR=$1 LOOKUP_ALLOW=$2 HTTP_HOST=localhost \
			QUERY_STRING='dst=192.0.2.9&sport=1&dport=2' ./lookup | sed -n '1s/^Status: \([0-9]*\).*/\1/p'
	}
	[ "$(ask 192.0.2.1 '')" = 403 ]
	[ "$(ask 192.0.2.1 '198.51.100.0/24')" = 403 ]
	[ "$(ask 192.0.2.1 '198.51.100.0/24 192.0.2.0/24')" = 404 ]
	[ "$(ask '[2001:db8::1]' '2001:db8::/32')" = 404 ]
	[ "$(ask '[2001:db8::1]' '')" = 403 ]
	for yes in '10.1.2.3 10.0.0.0/8' '10.1.2.3 10.1.2.3' '2001:db8::5 2001:db8::/32' '[::ffff:10.1.2.3] 10.0.0.0/8' \
		'1.2.3.4 9.9.9.9 1.2.3.0/25' '1.2.3.127 1.2.3.0/25' '1.2.3.4 0.0.0.0/0' '[2001:db8::] 2001:db8::/127' \
		'10.1.2.3 ::/0' '10.1.2.3 ::ffff:10.0.0.0/104'; do
		[ "$(ask "${yes%% *}" "${yes#* }")" = 404 ]
	done
	for no in '10.1.2.3 11.0.0.0/8' '1.2.3.128 1.2.3.0/25' '1.2.3.129 1.2.3.0/25' '[::2] 0.0.0.0/0' '[::2] ::1' \
		'[2001:db8::2] 2001:db8::/127' '[192.0.2.1 192.0.2.0/24' '192.0.2.1] 192.0.2.0/24' '[192.0.2.1]x 192.0.2.0/24' \
		'192.0.2.1 192.0.2.0/33' '192.0.2.1 192.0.2.0/24 x' '192.0.2.1 192.0.2.0/' '[fe80::1%lo] ::/0' '[] ::/0'; do
		[ "$(ask "${no%% *}" "${no#* }")" = 403 ]
	done
	# This host's own addresses are no other host: who asks is not told by them.
	for own in 127.0.0.1 '[::1]' '[::ffff:127.0.0.1]' 127.255.255.254; do
		[ "$(ask "$own" '0.0.0.0/0 ::/0')" = 403 ]
	done
	ask() {
		REQUEST_METHOD=GET REMOTE_ADDR=$1 LOOKUP_ALLOW=$2 HTTP_HOST=localhost QUERY_STRING='' ./list |
			sed -n '1s/^Status: \([0-9]*\).*/\1/p'
	}
	[ "$(ask 192.0.2.1 '')" = 403 ]
	[ "$(ask 192.0.2.1 '192.0.2.0/24')" = 200 ]
	[ "$(ask 127.0.0.1 '127.0.0.1')" = 403 ]
}

# --- who on this host sees what ---------------------------------------------

# other_server NAME=VALUE...: one more, at another port, which LISTEN names from here on; in a
# place of its own, with these settings. ENTER is a command that it is started by.
other_server() {
	local at
	export LISTEN=${OTHER_LISTEN-127.0.0.1:$((${LISTEN##*:} + 5))}
	# shellcheck disable=SC2086 # a command and its words
	env HTTP_RUN_DIR="${RUN_DIR}_other" "$@" ${ENTER-} "$SCRIPTS/serve.sh" >"$BATS_TEST_TMPDIR/other.log" 2>&1 3>&- &
	OTHER=$!
	at=${LISTEN%% *}
	# shellcheck disable=SC2086
	poll ${INSIDE-} curl -s -g -o /dev/null "http://${at/#\[::\]/127.0.0.1}/" || {
		cat "$BATS_TEST_TMPDIR/other.log"
		return 1
	}
}

end_other() {
	[ -z "${OTHER-}" ] || {
		kill "$OTHER"
		wait "$OTHER" || true
	}
	OTHER=
	rm -rf "${RUN_DIR}_other"
}

# Two users that no other process has, of whom neither may read the maps.
ALICE=64123 BOB=64124

# sees USER SPORT: the status of a look-up by USER at SERVER, and that a list agrees with it.
sees() {
	local url=http://${SERVER-$LISTEN}/cgi-bin answer listed
	answer=$(as "$1" curl -s -g -w '%{http_code}' "$url/lookup?dst=127.0.0.1&sport=$2&dport=$PORT") || return
	listed=$(as "$1" curl -s -g -f "$url/list?sport=$2&dport=$PORT") || return
	echo "$1 sees port $2: $answer; lists: $listed" >&2
	case $answer in
	*200) [[ $answer = *"\"src_port\":$2,"* && $listed = *"\"src_port\":$2,"* ]] || return ;;
	*) [ -z "$listed" ] && [ "$answer" = '{"error":"not found"}
404' ] || return ;;
	esac
	echo "${answer: -3}"
}

# Connections of root, ALICE and BOB to PORT; their source ports in ROOTS, ALICES, BOBS.
make_connections() {
	start_server 127.0.0.1
	start root "$TRAFFIC" connect 127.0.0.1 "$PORT"
	ROOTS=$(client_port)
	start alice setpriv --reuid $ALICE --regid $ALICE --clear-groups "$TRAFFIC" connect 127.0.0.1 "$PORT"
	ALICES=$(client_port)
	start bob setpriv --reuid $BOB --regid $BOB --clear-groups "$TRAFFIC" connect 127.0.0.1 "$PORT"
	BOBS=$(client_port)
}

# sees_all USER, sees_own USER SPORT
sees_all() {
	[ "$(sees "$1" "$ROOTS")" = 200 ] && [ "$(sees "$1" "$ALICES")" = 200 ] && [ "$(sees "$1" "$BOBS")" = 200 ]
}

sees_own() {
	local sport want
	for sport in $ROOTS $ALICES $BOBS; do
		want=404
		[ "$sport" != "$2" ] || want=200
		[ "$(sees "$1" "$sport")" = $want ] || return
	done
}

@test "GET /cgi-bin/lookup and list (users of this host) show root everything, others their own" {
	make_connections
	sees_all 0
	sees_own $ALICE "$ALICES"
	sees_own $BOB "$BOBS"
	sees_own 65534 ''
	# Of others nothing is in the whole list, and nothing that has no identity.
	as $ALICE curl -s "http://$LISTEN/cgi-bin/list" >"$BATS_TEST_TMPDIR/list"
	[ "$(grep -c "\"uid\":$ALICE," "$BATS_TEST_TMPDIR/list")" -eq "$(wc -l <"$BATS_TEST_TMPDIR/list")" ]
}

@test "GET /cgi-bin/lookup and list (an entry without an identity) show it to root alone" {
	make_connections
	entries=$(bpftool map show pinned "$PIN_DIR/maps/conn_identity" | sed -n 's/.*max_entries \([0-9]*\).*/\1/p')
	/usr/bin/python3 "$TREE/test/forget_identity.py" "$PIN_DIR/maps/conn_identity" "$entries" "$(pid_of "$ALICES")"
	[ "$(sees 0 "$ALICES")" = 200 ]
	sees_own $ALICE ''
}

pid_of() {
	"$HELPERS/conn-list" --src-port "$1" --dst-port "$PORT" | cut -d ' ' -f 5
}

@test "GET /cgi-bin/lookup and list (members of the group, by each file, and LOOKUP_USERS) show everything" {
	make_connections
	gid=$(getent group connpin | cut -d : -f 3)
	d=$BATS_TEST_TMPDIR
	sed "s/^\(connpin:[^:]*:[0-9]*:\).*/\1first,alice_t/" /etc/group >"$d/group"
	printf 'other:x:64200:bob_t,carol_t\n' >>"$d/group"
	{
		cat /etc/passwd
		echo "alice_t:x:$ALICE:64200::/:/bin/false"
		echo "bob_t:x:$BOB:64200::/:/bin/false"
		echo "alice_t2:x:64125:64200::/:/bin/false"
		echo "primary:x:64126:$gid::/:/bin/false"
		echo "named:x:64127:64200::/:/bin/false"
	} >"$d/passwd"
	cat >"$d/enter" <<-END
		#!/bin/sh
		exec unshare --mount sh -c 'mount --bind $d/passwd /etc/passwd && mount --bind $d/group /etc/group && exec "\$@"' - "\$@"
	END
	chmod 755 "$d/enter"
	ENTER=$d/enter other_server LOOKUP_USERS='first 64129 named 641'
	sees_all $ALICE
	sees_all 64126
	sees_all 64127
	sees_all 64129
	sees_own $BOB "$BOBS"
	for uid in 64125 64128 641290 65534; do
		sees_own $uid ''
	done
}

@test "GET /cgi-bin/lookup and list (server at every address, of either family) know the client all the same" {
	make_connections
	another=$((${LISTEN##*:} + 5))
	for every in "[::]:$another" "0.0.0.0:$another"; do
		OTHER_LISTEN=$every other_server
		for at in 127.0.0.1 127.0.0.2 '[::1]' '[::ffff:127.0.0.1]'; do
			case $every$at in
			0.0.0.0*'[::1]') continue ;;
			esac
			SERVER=$at:$another sees_all 0
			SERVER=$at:$another sees_own $ALICE "$ALICES"
			SERVER=$at:$another sees_own 65534 ''
		done
		end_other
	done
}

@test "GET /cgi-bin/list (server at each of several addresses) knows the client at each" {
	make_connections
	another=$((${LISTEN##*:} + 5))
	OTHER_LISTEN="127.0.0.1:$another [::1]:$another 127.0.0.3:$another" other_server
	for at in 127.0.0.1 '[::1]' 127.0.0.3; do
		poll curl -s -g -o /dev/null "http://$at:$another/"
		SERVER=$at:$another sees_all 0
		SERVER=$at:$another sees_own $ALICE "$ALICES"
	done
}

# cgi STATE UID [NAME=VALUE...]: the status of ./list to a client in that state.
cgi() {
	local state=$1 uid=$2
	shift 2
	(cd "$TREE/cgi-bin/cgi-bin" && env "$@" /usr/bin/python3 "$TREE/test/cgi_client.py" "$state" "$uid" \
		-p "127.0.0.1:$((${LISTEN##*:} + 6))" ./list) >"$BATS_TEST_TMPDIR/cgi"
	sed -n '1s/^Status: \([0-9]*\).*/\1/p' "$BATS_TEST_TMPDIR/cgi"
}

@test "GET /cgi-bin/list (the client's end of the connection closed, or not there) answers 403" {
	[ "$(cgi open 0)" = 200 ]
	[ "$(cgi half 0)" = 200 ]
	# Of these the kernel shows user 0, whoever's they were.
	for state in orphan time-wait none; do
		for uid in $ALICE 0; do
			[ "$(cgi "$state" "$uid")" = 403 ]
			grep -q 'no process of this host has your end of the connection' "$BATS_TEST_TMPDIR/cgi"
		done
	done
	[ "$(cgi half $ALICE)" = 200 ]
	[ "$(grep -c "\"uid\":$ALICE," "$BATS_TEST_TMPDIR/cgi")" -eq "$(grep -c '^{' "$BATS_TEST_TMPDIR/cgi")" ]
}

@test "GET /cgi-bin/list (server in a user namespace) answers 403: the kernel shows other numbers" {
	cd "$TREE/cgi-bin/cgi-bin"
	run -0 unshare --user --map-root-user /usr/bin/python3 -c 'import os, socket, subprocess, sys
port = int(sys.argv[2].split(":")[1])
server = socket.create_server(("127.0.0.1", port))
client = socket.create_connection(("127.0.0.1", port))
subprocess.run(["./list"], env=dict(os.environ, REQUEST_METHOD="GET", HTTP_HOST="localhost",
    REMOTE_ADDR="127.0.0.1", REMOTE_PORT=str(client.getsockname()[1])))' -p "127.0.0.1:$((${LISTEN##*:} + 6))"
	[[ ${lines[0]} = 'Status: 403 '* ]]
	[[ $output = *'the server runs in a user namespace'* ]]
}

# A program of ALICE's: binds 127.0.0.1:PORT and asks the server at 127.0.0.2.
SHARED='import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.connect((sys.argv[2], int(sys.argv[3])))
print("connected", flush=True)
if sys.argv[4] == "hold":
    sys.stdin.read()
s.sendall(b"GET /cgi-bin/list HTTP/1.0\r\nHost: localhost\r\n\r\n")
while data := s.recv(65536):
    sys.stdout.buffer.write(data)'

@test "GET /cgi-bin/list (another user's connection from the same address and port) never lends its rights" {
	another=$((${LISTEN##*:} + 5)) shared=23777
	OTHER_LISTEN=0.0.0.0:$another other_server
	start root /usr/bin/python3 -c "$SHARED" "$shared" 127.0.0.1 "$another" hold
	# The server does not learn which of the two came to it.
	run -0 as $ALICE /usr/bin/python3 -c "$SHARED" "$shared" 127.0.0.2 "$another" ask
	[[ $output = *'HTTP/1.1 403 '*'users share your address and port'* ]]
	# Where it listens at one address it does.
	end_other
	OTHER_LISTEN=127.0.0.2:$another other_server
	run -0 as $ALICE /usr/bin/python3 -c "$SHARED" "$shared" 127.0.0.2 "$another" ask
	[[ $output = *'HTTP/1.1 200 '* ]]
	[[ $output != *'"uid":0,'* ]]
}

@test "GET /cgi-bin/lookup (connections of two users that differ in their source alone) counts in matches what may be seen" {
	start_server 0.0.0.0
	hold='import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], 23778))
s.connect(("127.0.0.1", int(sys.argv[2])))
print("held", flush=True)
sys.stdin.read()'
	start alice setpriv --reuid $ALICE --regid $ALICE --clear-groups /usr/bin/python3 -c "$hold" 127.0.0.1 "$PORT"
	alice=$PID
	start bob setpriv --reuid $BOB --regid $BOB --clear-groups /usr/bin/python3 -c "$hold" 127.0.0.2 "$PORT"
	bob=$PID
	query="/cgi-bin/lookup?dst=127.0.0.1&sport=23778&dport=$PORT"
	get "$query"
	[[ $BODY = '{"pid":'"$bob,"*'"matches":2}' ]]
	for user in "$ALICE $alice 127.0.0.1 127.0.0.2" "$BOB $bob 127.0.0.2 127.0.0.1"; do
		read -r uid pid own other <<<"$user"
		for source in '' "&src=$own"; do
			run -0 as "$uid" curl -s "http://$LISTEN$query$source"
			[[ $output = '{"pid":'"$pid,"* ]]
			[[ $output != *matches* ]]
		done
		run -0 as "$uid" curl -s "http://$LISTEN$query&src=$other"
		[ "$output" = '{"error":"not found"}' ]
	done
	run -0 as 65534 curl -s "http://$LISTEN$query"
	[ "$output" = '{"error":"not found"}' ]
}

# A network namespace of this test with an address of its own, and one beside it. HERE and
# THERE are commands that enter them, and here and there run one.
make_networks() {
	start here unshare -n sh -ec 'ip link set lo up; echo ready; cat'
	HERE="nsenter -t $PID -n"
	start there unshare -n sh -ec 'ip link set lo up; echo ready; cat'
	THERE="nsenter -t $PID -n"
	here ip link add here type veth peer name there netns "$PID"
	here ip addr add 192.0.2.9/24 dev here
	here ip link set here up
	there ip addr add 192.0.2.10/24 dev there
	there ip link set there up
}

# shellcheck disable=SC2086 # a command and its words
here() {
	$HERE "$@"
}

# shellcheck disable=SC2086
there() {
	$THERE "$@"
}

@test "GET /cgi-bin/list (an address of this host in LOOKUP_ALLOW) is a user's all the same; another namespace's is not" {
	make_networks
	for every in 192.0.2.9 0.0.0.0; do
		ENTER=$HERE INSIDE=here OTHER_LISTEN=$every:7800 other_server LOOKUP_ALLOW=192.0.2.0/24
		run -0 here setpriv --reuid "$ALICE" --regid "$ALICE" --clear-groups curl -s -w '%{http_code}' http://192.0.2.9:7800/cgi-bin/list
		[[ $output = *200 ]]
		[[ $output != *'"uid":0,'* ]]
		run -0 here curl -s http://192.0.2.9:7800/cgi-bin/list
		[[ $output = *'"uid":0,'* ]]
		# Another namespace is another host, whoever asks there.
		poll there curl -s -o /dev/null http://192.0.2.9:7800/
		run -0 there setpriv --reuid $ALICE --regid $ALICE --clear-groups curl -s http://192.0.2.9:7800/cgi-bin/list
		[[ $output = *'"uid":0,'* ]]
		end_other
	done
	ENTER=$HERE INSIDE=here OTHER_LISTEN=192.0.2.9:7800 other_server
	run -0 there curl -s -w '%{http_code}' http://192.0.2.9:7800/cgi-bin/list
	[[ $output = *'see LOOKUP_ALLOW'*403 ]]
}

@test "GET /cgi-bin/list (cut after HTTP_SECONDS) is told from a whole one" {
	n=6000
	"$TRAFFIC" open "$n"
	make_networks
	# Buffers that do not hold it all.
	here sh -c 'echo 4096 16384 16384 >/proc/sys/net/ipv4/tcp_wmem; echo 4096 16384 16384 >/proc/sys/net/ipv4/tcp_rmem'
	ENTER=$HERE INSIDE=here OTHER_LISTEN=127.0.0.1:7800 other_server HTTP_SECONDS=3
	run -0 here curl -s -D "$BATS_TEST_TMPDIR/head" -o "$BATS_TEST_TMPDIR/body" http://127.0.0.1:7800/cgi-bin/list
	grep -qi '^Transfer-Encoding: chunked' "$BATS_TEST_TMPDIR/head"
	[ "$(grep -c '^{.*}$' "$BATS_TEST_TMPDIR/body")" -ge "$n" ]
	run -0 here curl -s -I http://127.0.0.1:7800/cgi-bin/list
	[[ $output = 'HTTP/1.1 200 OK'*'Transfer-Encoding: chunked'* ]]
	run -18 here curl -s --limit-rate 40k -D "$BATS_TEST_TMPDIR/head" -o "$BATS_TEST_TMPDIR/body" http://127.0.0.1:7800/cgi-bin/list
	[ -s "$BATS_TEST_TMPDIR/body" ]
	[ "$(grep -c '^{.*}$' "$BATS_TEST_TMPDIR/body")" -lt "$n" ]
	run -0 here curl -s -o "$BATS_TEST_TMPDIR/gzip" 'http://127.0.0.1:7800/cgi-bin/list?encoding=gzip'
	[ "$(gzip -dc "$BATS_TEST_TMPDIR/gzip" | grep -c '^{.*}$')" -ge "$n" ]
	ls -l "$BATS_TEST_TMPDIR/gzip"
	# What came whole may have fitted into the buffers; what did not come whole is told.
	run here curl -s --limit-rate 8k -o "$BATS_TEST_TMPDIR/gzip" 'http://127.0.0.1:7800/cgi-bin/list?encoding=gzip'
	[ "$status" -eq 18 ] || {
		[ "$status" -eq 0 ]
		[ "$(gzip -dc "$BATS_TEST_TMPDIR/gzip" | grep -c '^{.*}$')" -ge "$n" ]
	}
}

@test "GET /cgi-bin/lookup and list (a table that can't be read) answer 503, once" {
	local pins=${PIN_DIR}_unreadable query
	mkdir -p "$pins/maps"
	# A map that user space may not look into.
	bpftool map create "$pins/maps/conn_to_pid_v4" type sockhash key 12 value 4 entries 8 name conn_to_pid_v4
	bpftool map create "$pins/maps/conn_to_pid_v6" type sockhash key 24 value 4 entries 8 name conn_to_pid_v6
	cd "$TREE/cgi-bin/cgi-bin"
	for query in 'lookup dst=1.2.3.4&sport=1&dport=2' 'list dport=9' 'list encoding=gzip'; do
		by_hand PIN_DIR="$pins" QUERY_STRING="${query#* }" "./${query% *}"
		echo "$output"
		[[ ${lines[0]} = 'Status: 503 Service Unavailable'* ]] || break
		[[ ${lines[-1]} = '{"error":"cannot read the connection table: '*'"}' ]] || break
		[ "$(grep -c '^Status' <<<"$output")" -eq 1 ] || break
		query=
	done
	rm -r "$pins"
	[ -z "$query" ]
}

@test "serve.sh -b (again) says that it serves already" {
	run -0 "$SCRIPTS/serve.sh" -b
	[[ $output = *"already serving, process $(server_pid)" ]]
}

@test "serve.sh -b (address in use) says so and leaves nothing behind" {
	RUN_DIR=$BATS_TEST_TMPDIR/run run -3 "$SCRIPTS/serve.sh" -b
	[[ $output = *"the server ended: "*"in use"* ]]
	[ ! -e "$BATS_TEST_TMPDIR/run/httpd.pid" ]
}

@test "requests (not attached) answer 503 with the command that attaches" {
	detach
	get "/cgi-bin/lookup?dst=192.0.2.1&sport=1&dport=2"
	[ "$STATUS" = 503 ]
	# Where /sys/fs/bpf itself is closed to others, that is all that can be told.
	[[ $BODY = '{"error":"'*'not attached'*'run scripts/attach.sh'*'"}' ]]
	get /cgi-bin/list
	[ "$STATUS" = 503 ]
	[[ $BODY = '{"error":"'*'not attached'*'run scripts/attach.sh'*'"}' ]]
	get /cgi-bin/metrics
	[ "$STATUS" = 503 ]
	[[ $BODY = *"run scripts/attach.sh"* ]]
	attach
	get /cgi-bin/metrics
	[ "$STATUS" = 200 ]
}

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
	stop_all
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
	[[ $want = *'"status":"live","comm":"traffic","exe":null,"cmdline":null,'* ]]
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
		REQUEST_METHOD=GET REMOTE_ADDR=127.0.0.1 LOOKUP_CMDLINE=$setting \
			QUERY_STRING="dst=127.0.0.1&sport=$(client_port)&dport=$PORT" run -0 ./lookup
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
	REQUEST_METHOD=GET REMOTE_ADDR=127.0.0.1 QUERY_STRING="dport=$PORT&encoding=gzip" run -0 env PATH=/nonexistent ./list
	[[ ${lines[0]} = 'Status: 200 OK'* ]]
	[[ $output != *Content-Encoding* ]]
	[[ ${lines[-1]} = '{"pid":'"$PID,"* ]]
}

@test "GET /cgi-bin/list (bad parameters) answers 400 and names the parameter" {
	for query in 'sport=0:sport is not a port' 'dport=65536:dport is not a port' 'sport=a:sport is not a port' \
		'dst=1.2.3:dst is not an IPv4 or IPv6 address' 'protocol=sctp:protocol is not a protocol' \
		'pid=0:pid is not a process id' 'pid=1&pid=1:pid is repeated' 'dst=:dst is missing' \
		'encoding=br:encoding is not an encoding' 'comm=x:unknown parameter' '%70id=1:unknown parameter' \
		'pid=$(id):pid has a character' 'dst=-h:dst has a character' "dst=1':dst has a character"; do
		get "/cgi-bin/list?${query%%:*}"
		[ "$STATUS" = 400 ]
		[ "$TYPE" = application/json ]
		[[ $BODY = '{"error":"'*"${query#*:}"*'"}' ]]
	done
}

@test "GET /cgi-bin/lookup and list (another site's name) answer 403 to a browser on this host" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	for path in "list" "lookup?dst=127.0.0.1&sport=$(client_port)&dport=$PORT"; do
		for host in rebound.example "rebound.example:${LISTEN##*:}" 1.2.3.4.example localhost.example; do
			get "/cgi-bin/$path" -H "Host: $host"
			[ "$STATUS" = 403 ]
			[[ $BODY != *pid* ]]
		done
		for host in localhost "localhost:${LISTEN##*:}" "[::1]:1" 127.0.0.1 "$(uname -n):1"; do
			get "/cgi-bin/$path" -H "Host: $host"
			[ "$STATUS" = 200 ]
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

@test "any other method answers 405" {
	for method in POST PUT DELETE HEAD OPTIONS; do
		for path in /cgi-bin/metrics /cgi-bin/list "/cgi-bin/lookup?dst=1.2.3.4&sport=1&dport=2"; do
			option="-X $method"
			[ "$method" != HEAD ] || option=-I
			# shellcheck disable=SC2086 # two words
			get "$path" $option
			[ "$STATUS" = 405 ]
		done
		# httpd redirects before anyone is asked; what it leads to says 405.
		get /metrics -X "$method" -L --max-redirs 2 --head
		grep -q '^HTTP/1.[01] 405' "$BATS_TEST_TMPDIR/head"
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

@test "GET /cgi-bin/lookup and list (client of another address) answer 403 unless LOOKUP_ALLOW names it" {
	cd "$TREE/cgi-bin/cgi-bin"
	ask() {
		REQUEST_METHOD=GET REMOTE_ADDR=$1 LOOKUP_ALLOW=$2 \
			QUERY_STRING='dst=192.0.2.9&sport=1&dport=2' ./lookup | sed -n '1s/^Status: \([0-9]*\).*/\1/p'
	}
	[ "$(ask 192.0.2.1 '')" = 403 ]
	[ "$(ask 192.0.2.1 '198.51.100.0/24')" = 403 ]
	[ "$(ask 192.0.2.1 '198.51.100.0/24 192.0.2.0/24')" = 404 ]
	[ "$(ask '[2001:db8::1]' '2001:db8::/32')" = 404 ]
	[ "$(ask '[2001:db8::1]' '')" = 403 ]
	[ "$(ask 127.0.0.1 '')" = 404 ]
	[ "$(ask '[::1]' '')" = 404 ]
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
	ask() {
		REQUEST_METHOD=GET REMOTE_ADDR=$1 LOOKUP_ALLOW=$2 QUERY_STRING='' ./list |
			sed -n '1s/^Status: \([0-9]*\).*/\1/p'
	}
	[ "$(ask 192.0.2.1 '')" = 403 ]
	[ "$(ask 192.0.2.1 '192.0.2.0/24')" = 200 ]
	[ "$(ask 127.0.0.1 '')" = 200 ]
}

@test "GET /cgi-bin/lookup and list (a table that can't be read) answer 503, once" {
	local pins=${PIN_DIR}_unreadable query
	mkdir -p "$pins/maps"
	# A map that user space may not look into.
	bpftool map create "$pins/maps/conn_to_pid_v4" type sockhash key 12 value 4 entries 8 name conn_to_pid_v4
	bpftool map create "$pins/maps/conn_to_pid_v6" type sockhash key 24 value 4 entries 8 name conn_to_pid_v6
	cd "$TREE/cgi-bin/cgi-bin"
	for query in 'lookup dst=1.2.3.4&sport=1&dport=2' 'list dport=9' 'list encoding=gzip'; do
		PIN_DIR=$pins REQUEST_METHOD=GET REMOTE_ADDR=127.0.0.1 QUERY_STRING=${query#* } run "./${query% *}"
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
	[[ $BODY = '{"error":"'*'not attached'*'attach.sh'*'"}' ]]
	get /cgi-bin/list
	[ "$STATUS" = 503 ]
	[[ $BODY = '{"error":"'*'not attached'*'attach.sh'*'"}' ]]
	get /cgi-bin/metrics
	[ "$STATUS" = 503 ]
	[[ $BODY = *"attach.sh"* ]]
	attach
	get /cgi-bin/metrics
	[ "$STATUS" = 200 ]
}

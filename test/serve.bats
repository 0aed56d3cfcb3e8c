#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# serve.sh: where it listens, what it asks for, what bounds it, what it may not do.

load helper

HOST=${LISTEN%:*}
PORT_HTTP=${LISTEN##*:}

setup_file() {
	attach
}

teardown_file() {
	detach
}

teardown() {
	"$SCRIPTS/serve.sh" -k 2>/dev/null
	stop_all
	rm -f "/tmp/connpin-httpd-$$.conf"
}

serve() {
	"$SCRIPTS/serve.sh" -b >"$BATS_TEST_TMPDIR/serve.log" 2>&1 3>&- || {
		cat "$BATS_TEST_TMPDIR/serve.log"
		return 1
	}
}

# code URL [OPTION...]: the status of the answer.
code() {
	curl -s -g -m 10 -o /dev/null -w '%{http_code}' "$@"
}

# What descends from the server's first process, itself included.
server_processes() {
	local first
	first=$(cat "$RUN_DIR/httpd.pid")
	ps_tree "$first"
}

ps_tree() {
	local pid
	local -a children
	echo "$1"
	read -r -a children <<<"$(cat "/proc/$1/task/$1/children" 2>/dev/null)"
	for pid in "${children[@]}"; do
		ps_tree "$pid"
	done
}

count_connections() {
	local server first
	local -a servers
	first=$(cat "$RUN_DIR/httpd.pid")
	read -r -a servers <<<"$(cat "/proc/$first/task/$first/children")"
	for server in "${servers[@]}"; do
		cat "/proc/$server/task/$server/children"
	done | wc -w
}

at_most() {
	[ "$(count_connections)" -le "$1" ]
}

@test "serve.sh (several addresses) answers at each" {
	LISTEN="127.0.0.1:$PORT_HTTP [::1]:$PORT_HTTP 127.0.0.3:$PORT_HTTP" serve
	for at in 127.0.0.1 '[::1]' 127.0.0.3; do
		[ "$(code "http://$at:$PORT_HTTP/cgi-bin/metrics")" = 200 ]
		[ "$(code "http://$at:$PORT_HTTP/cgi-bin/lookup?dst=192.0.2.1&sport=1&dport=1")" = 404 ]
	done
	[ "$(code "http://127.0.0.2:$PORT_HTTP/cgi-bin/metrics")" = 000 ]
}

@test "serve.sh ([::]) answers at every address, of IPv4 too, and knows this host's own" {
	LISTEN="[::]:$PORT_HTTP" serve
	for at in 127.0.0.1 127.0.0.2 '[::1]'; do
		[ "$(code "http://$at:$PORT_HTTP/cgi-bin/lookup?dst=192.0.2.1&sport=1&dport=1")" = 404 ]
	done
}

@test "serve.sh (an address of several is in use) says so and serves at none" {
	start_server 127.0.0.1
	LISTEN="$HOST:$PORT_HTTP 127.0.0.1:$PORT" run -3 "$SCRIPTS/serve.sh" -b
	[[ $output = *"the server ended: "*"in use"* ]]
	# Whichever of the two was first, and however far the others had come.
	for _ in 1 2 3 4 5; do
		LISTEN="127.0.0.1:$PORT $HOST:$PORT_HTTP 127.0.0.3:$PORT_HTTP" run -3 "$SCRIPTS/serve.sh" -b
	done
	no_line LISTEN ss -Htln "sport = :$PORT_HTTP"
	[ "$(code "http://$HOST:$PORT_HTTP/cgi-bin/metrics")" = 000 ]
}

all_gone() {
	local pid
	for pid; do
		[ ! -e "/proc/$pid/exe" ] || return 1
	done
}

@test "serve.sh (one of its servers dies) ends, and the others with it" {
	LISTEN="127.0.0.1:$PORT_HTTP [::1]:$PORT_HTTP" serve
	first=$(cat "$RUN_DIR/httpd.pid")
	read -r -a servers <<<"$(cat "/proc/$first/task/$first/children")"
	one=${servers[0]} two=${servers[1]}
	kill "$one"
	poll all_gone "$first" "$two"
}

@test "serve.sh -b (started at a terminal that is closed) goes on serving" {
	/usr/bin/python3 -c 'import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' "$SCRIPTS/serve.sh" -b </dev/null 3>&-
	sleep 0.5
	[ "$(code "http://$LISTEN/cgi-bin/metrics")" = 200 ]
}

@test "serve.sh -b (a proxy is set) asks its own server, not that" {
	http_proxy=http://127.0.0.1:1 serve
	[ "$(code "http://$LISTEN/cgi-bin/metrics")" = 200 ]
}

# Not by serve.sh: the shell would put the signal right.
@test "run-httpd (SIGCHLD ignored by who starts it) ends when its server dies" {
	free_port=$((${LISTEN##*:} + 9))
	cp "$TREE/etc/httpd.conf" "$BATS_TEST_TMPDIR/httpd.conf"
	/usr/bin/python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$HELPERS/run-httpd" -t 10 "$TREE/cgi-bin" "$BATS_TEST_TMPDIR/httpd.conf" \
		"127.0.0.1:$free_port" >"$BATS_TEST_TMPDIR/serve.log" 2>&1 3>&- &
	first=$!
	STARTED="$STARTED $first"
	poll curl -s -o /dev/null "http://127.0.0.1:$free_port/"
	kill "$(cat "/proc/$first/task/$first/children")"
	poll all_gone "$first"
	rc=0
	wait "$first" || rc=$?
	[ "$rc" -eq 3 ]
}

@test "serve.sh -k ends every process of the server" {
	serve
	start clients /usr/bin/python3 "$TREE/test/slow_clients.py" "$HOST" "$PORT_HTTP" 5
	processes=$(server_processes)
	[ "$(echo "$processes" | wc -l)" -ge 7 ]
	"$SCRIPTS/serve.sh" -k
	# shellcheck disable=SC2086 # a list
	poll all_gone $processes
}

@test "serve.sh (killed by SIGKILL) leaves nothing that serves, and serves again" {
	LISTEN="127.0.0.1:$PORT_HTTP [::1]:$PORT_HTTP" serve
	start clients /usr/bin/python3 "$TREE/test/slow_clients.py" "$HOST" "$PORT_HTTP" 5
	processes=$(server_processes)
	[ "$(echo "$processes" | wc -l)" -ge 8 ]
	kill -KILL "$(cat "$RUN_DIR/httpd.pid")"
	# shellcheck disable=SC2086 # a list
	poll all_gone $processes
	run -0 "$SCRIPTS/serve.sh" -k
	[[ $output = *"not serving"* ]]
	LISTEN="127.0.0.1:$PORT_HTTP [::1]:$PORT_HTTP" serve
	[ "$(code "http://[::1]:$PORT_HTTP/cgi-bin/metrics")" = 200 ]
}

# httpds_at PORT: the servers that are bound, or about to be.
httpds_at() {
	pgrep -f "^busybox httpd -f -p 127.0.0.1:$1 "
}

none_at() {
	run httpds_at "$1"
	[ "$status" -eq 1 ]
}

@test "run-httpd (killed by SIGKILL at any moment of its start) leaves no server" {
	free_port=$((PORT_HTTP + 9))
	for user in '' '-u 65534:65534'; do
		for ms in 0 1 2 3 4 5 6 7 8 9 10 12 14 16 18 20 25 30 40; do
			# shellcheck disable=SC2086 # two words
			"$HELPERS/run-httpd" -t 10 $user "$TREE/cgi-bin" "$TREE/etc/httpd.conf" "127.0.0.1:$free_port" \
				>/dev/null 2>&1 3>&- &
			sleep "$(printf '0.%03d' "$ms")"
			kill -KILL $!
			wait $! || true
			poll none_at "$free_port"
		done
	done
}

@test "run-httpd -u (by the root of a user namespace, killed by SIGKILL) leaves no server" {
	free_port=$((PORT_HTTP + 9))
	# As in a container without a privilege: its root may not signal another user's process.
	start space unshare -U sh -c 'echo; cat'
	echo '0 100000 65536' >"/proc/$PID/uid_map"
	echo '0 100000 65536' >"/proc/$PID/gid_map"
	install -m 644 "$TREE/etc/httpd.conf" "/tmp/connpin-httpd-$$.conf"
	nsenter -U -t "$PID" --setuid 0 --setgid 0 "$HELPERS/run-httpd" -t 10 -u 990:990 / \
		"/tmp/connpin-httpd-$$.conf" "127.0.0.1:$free_port" >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	first=$!
	STARTED="$STARTED $first"
	poll code "http://127.0.0.1:$free_port/nothing"
	server=$(httpds_at "$free_port")
	[ "$(stat -c %u "/proc/$server" "/proc/$first")" = "100990
100990" ]
	kill -KILL "$first"
	poll all_gone "$server"
}

@test "serve.sh (the number of its server is another process's by now) does not take it for that" {
	serve
	kill -KILL "$(cat "$RUN_DIR/httpd.pid")"
	# Anyone can write a command line like that, and wait for the number.
	start other bash -c 'echo; exec -a "/helpers/run-httpd " cat'
	echo "$PID" >"$RUN_DIR/httpd.pid"
	poll none_at "$PORT_HTTP"
	run -0 "$SCRIPTS/serve.sh" -k
	[[ $output = *"not serving"* ]]
	kill -0 "$PID"
	serve
	[ "$(code "http://$LISTEN/cgi-bin/metrics")" = 200 ]
}

# bounded COMMAND...: run-httpd behind COMMAND ends connections that are too old, the oldest
# first when there are too many.
bounded() {
	start server "$@"
	# unshare itself takes no signal.
	STARTED="$STARTED $(pgrep -P "$PID")"
	poll code "http://127.0.0.1:$free_port/nothing"
	start clients /usr/bin/python3 "$TREE/test/slow_clients.py" 127.0.0.1 "$free_port" 30
	fewer() {
		[ "$(clients_at)" -le "$1" ]
	}
	poll fewer 10
	# The newest are those that stay, until they are too old.
	[ "$(clients_at)" -ge 5 ]
	poll_for 20 fewer 0
}

clients_at() {
	ss -Htn state established "sport = :$free_port" | wc -l
}

@test "run-httpd (kernel without a list of children) bounds its clients" {
	free_port=$((PORT_HTTP + 9))
	# As a kernel without CONFIG_PROC_CHILDREN: those files are not there.
	paths=
	for n in $(seq 2 40); do
		paths="$paths -P /proc/$n/task/$n/children"
	done
	# shellcheck disable=SC2086 # a list
	bounded unshare -pf --mount-proc sh -c 'echo started; exec "$@"' - strace -I 2 -qq -o "$BATS_TEST_TMPDIR/strace" \
		$paths -e trace=open,openat -e inject=open,openat:error=ENOENT "$HELPERS/run-httpd" -n 10 -t 4 \
		"$TREE/cgi-bin" "$TREE/etc/httpd.conf" "127.0.0.1:$free_port"
	grep -q 'children.*ENOENT.*INJECTED' "$BATS_TEST_TMPDIR/strace"
	no_line 'children.* = [0-9]' cat "$BATS_TEST_TMPDIR/strace"
}

@test "run-httpd (/proc shows nothing of its servers) says that clients are not bounded" {
	free_port=$((PORT_HTTP + 9))
	start server unshare -pf --mount sh -c 'mount -t proc -o hidepid=invisible proc /proc && echo started && exec "$@"' - \
		"$HELPERS/run-httpd" -n 10 -t 4 -u 65534:65534 "$TREE/cgi-bin" "$TREE/etc/httpd.conf" \
		"127.0.0.1:$free_port"
	STARTED="$STARTED $(pgrep -P "$PID")"
	poll grep -q 'run-httpd: cannot see the servers.*hidepid' "$BATS_TEST_TMPDIR/server.err"
	poll code "http://127.0.0.1:$free_port/nothing"
	sleep 2
	[ "$(wc -l <"$BATS_TEST_TMPDIR/server.err")" -eq 1 ]
}

@test "serve.sh (HTTP_PASSWD) asks for a password everywhere" {
	passwd=$BATS_TEST_TMPDIR/passwd
	printf '# who may ask\nprom:%s\n' "$(busybox httpd -m secret)" >"$passwd"
	HTTP_PASSWD=$passwd serve
	for path in /cgi-bin/metrics /metrics /metrics/ '/cgi-bin/lookup?dst=192.0.2.1&sport=1&dport=1' / /nothing; do
		[ "$(code "http://$LISTEN$path")" = 401 ]
		[ "$(code "http://$LISTEN$path" -u prom:wrong)" = 401 ]
		[ "$(code "http://$LISTEN$path" -u nobody:secret)" = 401 ]
	done
	[ "$(code "http://$LISTEN/cgi-bin/metrics" -u prom:secret)" = 200 ]
	[ "$(code "http://$LISTEN/metrics" -L -u prom:secret)" = 200 ]
	# Nobody else may read the hash.
	run ! setpriv --reuid 65534 --regid 65534 --clear-groups cat "$RUN_DIR/httpd.conf"
}

@test "serve.sh (HTTP_PASSWD is missing, empty or not USER:HASH) does not serve" {
	passwd=$BATS_TEST_TMPDIR/passwd
	HTTP_PASSWD=$passwd run -3 "$SCRIPTS/serve.sh" -b
	[[ $output = *"setting HTTP_PASSWD='$passwd': cannot read it"* ]]
	echo '# nobody' >"$passwd"
	HTTP_PASSWD=$passwd run -2 "$SCRIPTS/serve.sh" -b
	[[ $output = *"$passwd names no user"* ]]
	for line in 'prom:secret' 'prom' ':$1$a$b' 'prom:$1$a$b c' 'a:b:$1$a$b'; do
		printf '\n%s\n' "$line" >"$passwd"
		HTTP_PASSWD=$passwd run -2 "$SCRIPTS/serve.sh" -b
		[[ $output = *"$passwd line 2: not USER:HASH"* ]]
	done
	[ "$(code "http://$LISTEN/cgi-bin/metrics")" = 000 ]
}

@test "serve.sh (500 slow and idle clients) goes on answering and ends them in time" {
	clients=500 seconds=4
	# Emulated, a process costs a hundred times as much: fewer of them, and more time.
	[ -z "${CONNPIN_KERNEL_LINE-}" ] || clients=60 seconds=15
	HTTP_SECONDS=$seconds serve
	start clients /usr/bin/python3 "$TREE/test/slow_clients.py" "$HOST" "$PORT_HTTP" "$clients"
	[ "$(count_connections)" -ge $((clients / 2)) ]
	for _ in 1 2 3; do
		[ "$(code "http://$LISTEN/cgi-bin/metrics")" = 200 ]
		[ "$(code "http://$LISTEN/cgi-bin/lookup?dst=192.0.2.1&sport=1&dport=1")" = 404 ]
	done
	[ "$(server_processes | wc -l)" -le 1056 ]
	poll_for $((seconds + 20)) at_most 0
}

# poll_for SECONDS COMMAND...
poll_for() {
	local until=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$until" ]
		sleep 0.2
	done
}

@test "serve.sh (more clients than HTTP_CLIENTS) ends the oldest and answers the newest" {
	HTTP_CLIENTS=20 HTTP_SECONDS=600 serve
	user=$(stat -c %u "/proc/$(cat "$RUN_DIR/httpd.pid")")
	start clients /usr/bin/python3 "$TREE/test/slow_clients.py" "$HOST" "$PORT_HTTP" 200
	# Never more than the kernel's own limit for the user: 2 * 20 + 32.
	most=0
	until at_most 20; do
		now=$(find /proc -maxdepth 1 -name '[0-9]*' -user "$user" | wc -l)
		[ "$now" -le "$most" ] || most=$now
		[ "$SECONDS" -lt 60 ]
		sleep 0.1
	done
	echo "$most processes at the most"
	[ "$most" -le 72 ]
	[ "$(code "http://$LISTEN/cgi-bin/lookup?dst=192.0.2.1&sport=1&dport=1")" = 404 ]
}

# as_server COMMAND...: as the server's processes are.
as_server() {
	setpriv --reuid connpin --regid connpin --clear-groups --bounding-set=-all --inh-caps=-all \
		--no-new-privs "$@"
}

@test "the server (each of its processes) runs as its user, without capabilities or groups" {
	LISTEN="127.0.0.1:$PORT_HTTP [::1]:$PORT_HTTP" serve
	start clients /usr/bin/python3 "$TREE/test/slow_clients.py" "$HOST" "$PORT_HTTP" 3
	[ "$(server_processes | wc -l)" -ge 6 ]
	uid=$(id -u connpin) gid=$(sed -n 's/^connpin:[^:]*:\([0-9]*\):.*/\1/p' /etc/group)
	for pid in $(server_processes); do
		status=$(awk '/^(Uid|Gid|Groups|CapEff|CapPrm|CapInh|CapAmb):/ { $1 = $1; print }' "/proc/$pid/status")
		# httpd makes its group the only one of its further groups, too.
		[ "${status/Groups: $gid/Groups:}" = "Uid: $uid $uid $uid $uid
Gid: $gid $gid $gid $gid
Groups:
CapInh: 0000000000000000
CapPrm: 0000000000000000
CapEff: 0000000000000000
CapAmb: 0000000000000000" ]
	done
}

@test "the server's user can read, and can't write a map, switch the block, attach or detach" {
	"$SCRIPTS/ipv6-block.sh" on
	"$SCRIPTS/ipv6-block.sh" off
	run -0 as_server "$HELPERS/tcp-metrics"
	for map in conn_to_pid_v4 config tcp_metrics; do
		[ "$(stat -c %a "$PIN_DIR/maps/$map")" = 440 ]
		# Not the tool's own doing: the kernel refuses to open the pin for writing.
		run ! as_server "$TREE/.output/test/open_pin" "$PIN_DIR/maps/$map" rw
		[[ $output = *"Permission denied"* ]]
		run -0 as_server "$TREE/.output/test/open_pin" "$PIN_DIR/maps/$map" r
		[[ $output = *"update: Operation not permitted"* ]]
	done
	run ! as_server bpftool map update pinned "$PIN_DIR/maps/config" key 0 0 0 0 value 1
	inventory=$(bpf_inventory)
	for pin in "$PIN_DIR"/port_tracker/handle_sockops "$PIN_DIR"/links/on_set_state; do
		run ! as_server cat "$pin"
		run ! as_server rm -f "$pin"
		run ! as_server mv "$pin" "$PIN_DIR/taken"
	done
	run ! as_server mkdir "$PIN_DIR/mine"
	run ! as_server rm -f "$PIN_DIR/maps/config"
	run ! as_server chmod 666 "$PIN_DIR/maps/config"
	run ! as_server bpftool cgroup detach "$CGROUP_ROOT" sock_ops pinned "$PIN_DIR/port_tracker/handle_sockops"
	run ! as_server bpftool prog loadall "$TREE/.output/bpf/port_tracker.bpf.o" /sys/fs/bpf/connpin_mine
	for script in attach.sh detach.sh 'ipv6-block.sh on' 'ipv6-block.sh off'; do
		# shellcheck disable=SC2086 # a script and its word
		run -3 as_server "$SCRIPTS"/$script
	done
	unchanged_since "$inventory"
	run -1 "$SCRIPTS/ipv6-block.sh" status
}

@test "run-httpd (first process of a PID namespace, others end there) goes on serving" {
	free_port=$((${LISTEN##*:} + 9))
	cp "$TREE/etc/httpd.conf" "$BATS_TEST_TMPDIR/httpd.conf"
	start server unshare -pf --mount-proc sh -c 'echo started; (sleep 0.2 & sleep 0.1 &); exec "$@"' - \
		"$HELPERS/run-httpd" -t 10 "$TREE/cgi-bin" "$BATS_TEST_TMPDIR/httpd.conf" "127.0.0.1:$free_port"
	poll curl -s -o /dev/null "http://127.0.0.1:$free_port/"
	sleep 1.5
	curl -s -o /dev/null "http://127.0.0.1:$free_port/"
	pid=$(pgrep -P "$PID")
	kill "$pid"
}

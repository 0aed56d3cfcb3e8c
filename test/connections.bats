#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every connection: from either end, from before connpin was attached, and after its process
# has gone.

# shellcheck disable=SC2153,SC2154 # take() assigns what connections.py prints
load helper

setup_file() {
	# Open before the attachment, and held until the file is done.
	mkfifo "$BATS_FILE_TMPDIR/pairs.in"
	/usr/bin/python3 "$TREE/test/connections.py" pairs <"$BATS_FILE_TMPDIR/pairs.in" \
		>"$BATS_FILE_TMPDIR/pairs" 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/pairs.pid"
	exec {held}>"$BATS_FILE_TMPDIR/pairs.in"
	export HELD_BEFORE=$held
	poll test -s "$BATS_FILE_TMPDIR/pairs"
	# Few slots, so that one test can fill them all.
	TCP_SOCKETS=1024 attach
}

teardown_file() {
	exec {HELD_BEFORE}>&-
	kill "$(cat "$BATS_FILE_TMPDIR/pairs.pid")" || true
	detach
}

teardown() {
	stop_all
	bring_back
}

# open WHAT...: connections.py, and what it prints in variables.
open() {
	start "${1}" /usr/bin/python3 "$TREE/test/connections.py" "$@"
	take "$FIRST"
}

take() {
	local word
	for word in $1; do
		printf -v "${word%%=*}" %s "${word#*=}"
	done
}

# answer OPERAND...: the object of the answer, for has.
answer() {
	run -0 "$HELPERS/conn-lookup" -j "$@"
	echo "$output"
}

# says NAME VALUE: the last answer has this member; VALUE as JSON.
says() {
	/usr/bin/python3 -c 'import json, sys
answer = json.loads(sys.argv[1])
if answer.get(sys.argv[2], "absent") != json.loads(sys.argv[3]):
    sys.exit("%s is %r and not %s" % (sys.argv[2], answer.get(sys.argv[2], "absent"), sys.argv[3]))' \
		"$output" "$1" "$2"
}

# --- before --------------------------------------------------------------------

@test "conn-lookup (opened before the attachment) names who holds it, of no known age" {
	take "$(cat "$BATS_FILE_TMPDIR/pairs")"
	answer 127.0.0.1 "$client" "$server"
	says pid "$pid"
	says owner '"holder"'
	says direction '"out"'
	says since '"before"'
	says age_seconds null
	says state null
	answer ::1 "$client6" "$server6"
	says pid "$pid"
	says direction '"out"'
	answer -p udp 127.0.0.1 "$udp" 9
	says pid "$pid"
	says owner '"holder"'
}

@test "conn-lookup (accepted before the attachment) knows the direction, shut down or not" {
	take "$(cat "$BATS_FILE_TMPDIR/pairs")"
	answer 127.0.0.1 "$server" "$client"
	says pid "$pid"
	says direction '"in"'
	answer 127.0.0.1 "$server" "$shut"
	says direction '"in"'
	answer 127.0.0.1 "$shut" "$server"
	says direction '"out"'
	answer ::1 "$server6" "$client6"
	says direction '"in"'
}

@test "conn-list --listen (listening before the attachment) shows it" {
	take "$(cat "$BATS_FILE_TMPDIR/pairs")"
	run -0 "$HELPERS/conn-list" -j --listen --src-port "$server"
	says pid "$pid"
	says owner '"listener"'
	says dst_port 0
	says src_ip '"127.0.0.1"'
}

@test "attach.sh (again) leaves what was recorded since as it is" {
	open accept itself
	answer 127.0.0.1 "$client" "$server"
	says owner '"opener"'
	"$SCRIPTS/detach.sh" 2>/dev/null
	attach
	answer 127.0.0.1 "$client" "$server"
	says pid "$pid"
	says owner '"holder"'
	cat "$PIN_DIR/links/on_read_files" >/dev/null
	open accept itself
	cat "$PIN_DIR/links/on_read_files" >/dev/null
	answer 127.0.0.1 "$client" "$server"
	says owner '"opener"'
	says state '"open"'
}

# --- inbound -------------------------------------------------------------------

@test "conn-lookup (accepted by the process itself, a thread, a child) names who accepted" {
	for how in itself thread fork; do
		open accept "$how"
		answer 127.0.0.1 "$server" "$client"
		says pid "$accepter"
		says owner '"accepter"'
		says direction '"in"'
		says src_ip '"127.0.0.1"'
		stop_all
	done
}

@test "conn-lookup (accepted by io_uring) names who accepted, or the listener where the kernel refuses fexit" {
	start one "$TREE/.output/test/ways" uring-accept 127.0.0.1 0
	take "$FIRST"
	answer 127.0.0.1 "$server" "$client"
	says direction '"in"'
	if has fentry; then
		says pid "$accepter"
		says owner '"accepter"'
	else
		says pid "$pid"
		says owner '"listener"'
		run "$SCRIPTS/status.sh"
		[[ $output = *"accepted"*"io_uring"*"stay with who listens"* ]]
	fi
}

@test "conn-lookup (not accepted yet) names the listener, and says so" {
	open accept not
	answer 127.0.0.1 "$server" "$client"
	says pid "$pid"
	says owner '"listener"'
	says state '"open"'
}

@test "conn-lookup (accepted and closed at once) names the process" {
	open accept "at once"
	answer 127.0.0.1 "$server" "$client"
	says pid "$pid"
}

@test "conn-lookup (accepted when it has been reset) names who accepted, or the listener when others had its slot since" {
	open accept reset
	answer 127.0.0.1 "$server" "$client"
	says pid "$accepter"
	says owner '"accepter"'
	says ended '"reset by peer"'
	open accept late
	answer 127.0.0.1 "$server" "$client"
	says pid "$pid"
	says owner '"listener"'
	says ended '"reset by peer"'
}

@test "conn-lookup (an earlier connection of the same ports is accepted, which was reset) does not name who accepted that" {
	open accept twin
	answer 127.0.0.1 "$server" "$client"
	says pid "$pid"
	says owner '"listener"'
	says state '"open"'
}

@test "conn-lookup (another socket of the same port fails to connect there) goes on saying open" {
	open occupied
	answer 127.0.0.1 "$client" "$server"
	says pid "$pid"
	says state '"open"'
}

@test "conn-lookup (a socket connects to itself, on a port where another process listens) names the opener" {
	open self
	answer 127.0.0.1 "$port" "$port"
	says pid "$pid"
	says owner '"opener"'
	[ "$("$HELPERS/conn-list" --in --src-port "$port" | grep -c " 127.0.0.1 $port ")" -eq 0 ]
}

@test "conn-lookup (two listeners of one port, SO_REUSEPORT) names neither until one accepts" {
	for _ in 1 2 3; do
		open accept reuseport
		# Ours never accepts: it is the child's, or nobody's.
		run "$HELPERS/conn-lookup" -j 127.0.0.1 "$server" "$client"
		if [ "$status" -eq 0 ]; then
			says owner '"accepter"'
			[ "$("$HELPERS/conn-lookup" -q 127.0.0.1 "$server" "$client")" != "$pid" ]
		else
			[ "$status" -eq 1 ]
		fi
		stop_all
	done
}

@test "conn-lookup (a connection that nobody has) finds nothing, though its port listens" {
	open accept not
	run -1 "$HELPERS/conn-lookup" 127.0.0.1 "$server" 1
}

@test "conn-list --in, --out, --listen show each what it says, and nothing else what was accepted" {
	open accept itself
	[ "$("$HELPERS/conn-list" --in --src-port "$server" | wc -l)" -eq 1 ]
	[ "$("$HELPERS/conn-list" --listen --src-port "$server" | wc -l)" -eq 1 ]
	[ "$("$HELPERS/conn-list" --src-port "$server" | wc -l)" -eq 0 ]
	[ "$("$HELPERS/conn-list" --in --out --dst-port "$server" | wc -l)" -eq 1 ]
	[ "$("$HELPERS/conn-list" --dst-port "$server" | wc -l)" -eq 1 ]
	stop_all
	poll test -z "$("$HELPERS/conn-list" --listen --src-port "$server")"
}

@test "conn_to_pid_* (a connection that is accepted) has no entry of it" {
	open accept itself
	run -1 /usr/bin/python3 "$TREE/test/ctypes_reader.py" "$PIN_DIR/maps/conn_to_pid_v4" 127.0.0.1 \
		"$server" "$client" tcp
	run -0 /usr/bin/python3 "$TREE/test/ctypes_reader.py" "$PIN_DIR/maps/conn_to_pid_v4" 127.0.0.1 \
		"$client" "$server" tcp
}

@test "connpin_inbound_evictions_total counts what gives way in a table of accepted connections that is full" {
	"$SCRIPTS/detach.sh" 2>/dev/null
	CONN_IN_ENTRIES=256 attach
	[ "$(metric 'connpin_map_capacity{map="conn_identity_in"}')" -eq 256 ]
	[ "$(metric 'connpin_map_capacity{map="conn_process"}')" -eq 4096 ]
	before=$(metric connpin_inbound_evictions_total)
	"$TRAFFIC" open 600
	[ "$(metric connpin_inbound_evictions_total)" -ge $((before + 200)) ]
	"$SCRIPTS/detach.sh" 2>/dev/null
	attach
	[ "$(metric connpin_inbound_evictions_total)" -le 8 ]
}

# --- how it went ---------------------------------------------------------------

# ends HOW OUT IN: what the two records say of a connection that ends so.
ends() {
	open end "$1"
	answer 127.0.0.1 "$client" "$server"
	says state '"closed"'
	says ended "\"$2\""
	says sent_bytes 1234
	says received_bytes 99
	answer 127.0.0.1 "$server" "$client"
	says state '"closed"'
	says ended "\"$3\""
	says sent_bytes 99
	says received_bytes 1234
	stop_all
}

@test "conn-lookup (closed in order, from either side) says fin, and what was carried" {
	ends fin fin fin
	ends peer fin fin
}

@test "conn-lookup (reset by one side) says which" {
	ends reset "reset sent" "reset by peer"
	ends peer-reset "reset by peer" "reset sent"
}

@test "conn-lookup (refused) says so" {
	open end refused
	answer 127.0.0.1 "$client" "$server"
	says ended '"refused"'
	says state '"closed"'
}

@test "conn-lookup (closed) says how long it lasted, and an open one does not" {
	open end fin
	answer 127.0.0.1 "$client" "$server"
	/usr/bin/python3 -c 'import json, sys
answer = json.loads(sys.argv[1])
assert 0 < answer["duration_seconds"] < 60, answer
assert 0 < answer["rtt_seconds"] < 1, answer' "$output"
	open accept itself
	answer 127.0.0.1 "$client" "$server"
	says state '"open"'
	for name in ended duration_seconds sent_bytes received_bytes retransmitted_segments rtt_seconds; do
		says "$name" null
	done
}

@test "conn-list --open, --closed tell them apart, and -f --closed prints each as it ends" {
	"$HELPERS/conn-list" -f --closed >"$BATS_TEST_TMPDIR/ended" 3>&- &
	STARTED="${STARTED-} $!"
	sleep 0.5
	open end fin
	poll grep -q " $client $server " "$BATS_TEST_TMPDIR/ended"
	[ "$("$HELPERS/conn-list" --closed --src-port "$client" | wc -l)" -eq 1 ]
	[ "$("$HELPERS/conn-list" --open --src-port "$client" | wc -l)" -eq 0 ]
	open accept itself
	[ "$("$HELPERS/conn-list" --open --src-port "$client" | wc -l)" -eq 1 ]
	no_line " $client $server " cat "$BATS_TEST_TMPDIR/ended"
}

# --- after its process ---------------------------------------------------------

@test "conn-lookup (exited) still tells executable, arguments and parent" {
	start_server 127.0.0.1
	cp /usr/bin/python3 "$BATS_TEST_TMPDIR/my program"
	open_as "$BATS_TEST_TMPDIR/my program" hold "$PORT"
	stop_one
	answer 127.0.0.1 "$client" "$PORT"
	says status '"exited"'
	says exe "\"$BATS_TEST_TMPDIR/my program\""
	says cmdline "\"$BATS_TEST_TMPDIR/my program $TREE/test/connections.py hold $PORT\""
	/usr/bin/python3 -c 'import json, sys
answer = json.loads(sys.argv[1])
assert answer["parent_comm"] and answer["ppid"] > 1, answer' "$output"
	answer --no-cmdline 127.0.0.1 "$client" "$PORT"
	says cmdline null
}

# open_as PROGRAM WHAT...: connections.py by that interpreter, to be ended by stop_one.
open_as() {
	mkfifo "$BATS_TEST_TMPDIR/one.in"
	"$1" "$TREE/test/connections.py" "${@:2}" <"$BATS_TEST_TMPDIR/one.in" >"$BATS_TEST_TMPDIR/one" 3>&- &
	ONE=$!
	exec {ONE_FD}>"$BATS_TEST_TMPDIR/one.in"
	poll test -s "$BATS_TEST_TMPDIR/one"
	take "$(cat "$BATS_TEST_TMPDIR/one")"
}

stop_one() {
	exec {ONE_FD}>&-
	wait "$ONE" || true
}

@test "conn-lookup (another program by now) tells the one that connected" {
	open exec "$(command -v sleep)" 60
	poll grep -q sleep "/proc/$pid/comm"
	answer 127.0.0.1 "$client" "$server"
	says status '"live"'
	says exe_changed true
	/usr/bin/python3 -c 'import json, sys
answer = json.loads(sys.argv[1])
assert "python" in answer["exe"] and "connections.py exec" in answer["cmdline"], answer' "$output"
	# Who may not look at the executable can't tell, and is not told the command line of now.
	run -0 setpriv --reuid 65534 --regid connpin --clear-groups "$HELPERS/conn-lookup" -j 127.0.0.1 "$client" "$server"
	says exe_changed null
	/usr/bin/python3 -c 'import json, sys
answer = json.loads(sys.argv[1])
assert "python" in answer["exe"] and "connections.py exec" in answer["cmdline"], answer' "$output"
}

@test "conn-lookup (the executable was replaced since) tells it apart by its inode" {
	start_server 127.0.0.1
	cp /usr/bin/python3 "$BATS_TEST_TMPDIR/replaced"
	inode=$(stat -c %i "$BATS_TEST_TMPDIR/replaced")
	open_as "$BATS_TEST_TMPDIR/replaced" hold "$PORT"
	stop_one
	mv "$BATS_TEST_TMPDIR/replaced" "$BATS_TEST_TMPDIR/kept"
	cp /bin/true "$BATS_TEST_TMPDIR/replaced"
	answer 127.0.0.1 "$client" "$PORT"
	says exe "\"$BATS_TEST_TMPDIR/replaced\""
	says exe_inode "$inode"
	[ "$inode" != "$(stat -c %i "$BATS_TEST_TMPDIR/replaced")" ]
}

@test "conn-lookup (a deleted executable, one in another mount namespace) tells what it was" {
	dir=$BATS_TEST_TMPDIR
	mkdir "$dir/mnt"
	start_server 127.0.0.1 2
	cat >"$dir/gone.sh" <<-'END'
		cp "$1" "$2/again"
		exec 9<"$2/again"
		rm "$2/again"
		exec "/proc/self/fd/9" connect 127.0.0.1 "$3"
	END
	start two sh "$dir/gone.sh" "$TRAFFIC" "$dir" "$PORT"
	port=$(client_port) pid=$(client_pid)
	stop_all
	poll gone "$pid"
	answer 127.0.0.1 "$port" "$PORT"
	says exe "\"$dir/again (deleted)\""
	start_server 127.0.0.1 3
	# shellcheck disable=SC2016
	start three unshare -m sh -ec 'mount -t tmpfs none "$3"; cp "$1" "$3/inside"; exec "$3/inside" connect 127.0.0.1 "$2"' \
		- "$TRAFFIC" "$PORT" "$dir/mnt"
	port=$(client_port) pid=$(client_pid)
	stop_all
	poll gone "$pid"
	answer 127.0.0.1 "$port" "$PORT"
	says exe "\"$dir/mnt/inside\""
}

gone() {
	[ ! -e "/proc/$1" ]
}

@test "conn-lookup (an executable in memory, one on overlayfs) tells what /proc did" {
	dir=$BATS_TEST_TMPDIR
	mkdir "$dir"/{lower,upper,work,merged}
	cp "$TRAFFIC" "$dir/lower/below"
	mount -t overlay overlay -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/merged"
	for executable in memory "$dir/merged/below"; do
		start_server 127.0.0.1
		start one /usr/bin/python3 -c '
import os, sys
executable = sys.argv[1]
if executable == "memory":
    executable = os.memfd_create("hidden")
    os.write(executable, open(sys.argv[2], "rb").read())
os.execve(executable, ["traffic", "connect", "127.0.0.1", sys.argv[3]], os.environ)' \
			"$executable" "$TRAFFIC" "$PORT"
		port=$(client_port) pid=$(client_pid)
		exe=$(readlink "/proc/$pid/exe")
		answer 127.0.0.1 "$port" "$PORT"
		says status '"live"'
		[[ $output != *'"exe_changed":true'* ]]
		stop_all
		poll gone "$pid"
		answer 127.0.0.1 "$port" "$PORT"
		says status '"exited"'
		says exe "\"$exe\""
		says cmdline "\"traffic connect 127.0.0.1 $PORT\""
	done
	umount "$dir/merged"
}

@test "conn-lookup (arguments that are not in memory) says null, not a half" {
	start_server 127.0.0.1
	start one "$TREE/.output/test/ways" absent-arguments 127.0.0.1 "$PORT"
	port=$(client_port) pid=$(client_pid)
	stop_all
	poll gone "$pid"
	answer 127.0.0.1 "$port" "$PORT"
	says status '"exited"'
	says cmdline null
	says cmdline_truncated '"absent"'
}

@test "conn-lookup (its process ended, a child has the connection) names who opened it, exited" {
	open handed
	answer 127.0.0.1 "$client" "$server"
	says pid "$pid"
	says status '"exited"'
	says owner '"opener"'
	says state '"open"'
}

@test "conn-lookup (a path longer than the room) has its end, and says that it is cut" {
	start_server 127.0.0.1
	dir=$BATS_TEST_TMPDIR/$(printf 'd%.0s' {1..200})/$(printf 'e%.0s' {1..200})
	mkdir -p "$dir"
	cp "$TRAFFIC" "$dir/program"
	start one "$dir/program" connect 127.0.0.1 "$PORT"
	port=$(client_port) pid=$(client_pid)
	stop_all
	poll gone "$pid"
	answer 127.0.0.1 "$port" "$PORT"
	says exe "\"/$(printf 'e%.0s' {1..200})/program\""
	says exe_truncated true
}

@test "conn-lookup (more arguments than there is room for) has the first 256 bytes, and says so" {
	start_server 127.0.0.1
	start one "$TRAFFIC" connect 127.0.0.1 "$PORT" "$(printf 'x%.0s' {1..400})"
	port=$(client_port) pid=$(client_pid)
	stop_all
	poll gone "$pid"
	answer 127.0.0.1 "$port" "$PORT"
	says cmdline_truncated true
	/usr/bin/python3 -c 'import json, sys
assert len(json.loads(sys.argv[1])["cmdline"]) == 256' "$output"
}

@test "conn-lookup (the first thread has ended, another goes on) tells the executable, then too" {
	open leader
	answer 127.0.0.1 "$client" "$server"
	says status '"live"'
	/usr/bin/python3 -c 'import json, sys
answer = json.loads(sys.argv[1])
assert "python" in answer["exe"] and "leader" in answer["cmdline"], answer' "$output"
}

@test "conn-lookup --ancestors goes up to the first process, and knows the parent of who has exited" {
	start_server 127.0.0.1
	start one "$TRAFFIC" connect 127.0.0.1 "$PORT"
	port=$(client_port) pid=$(client_pid)
	run -0 "$HELPERS/conn-lookup" -j --ancestors 127.0.0.1 "$port" "$PORT"
	/usr/bin/python3 -c 'import json, os, sys
ancestors = json.loads(sys.argv[1])["ancestors"]
assert ancestors[0]["pid"] == int(sys.argv[2]) and ancestors[-1]["pid"] == 1, ancestors
assert ancestors[0]["exe"] == os.readlink("/proc/%s/exe" % sys.argv[2]), ancestors' "$output" $$
	run -0 "$HELPERS/conn-lookup" --ancestors 127.0.0.1 "$port" "$PORT"
	[[ $output = *"ancestors: $$ "* ]]
	stop_all
	poll gone "$pid"
	run -0 "$HELPERS/conn-lookup" -j --ancestors 127.0.0.1 "$port" "$PORT"
	/usr/bin/python3 -c 'import json, sys
assert [a["pid"] for a in json.loads(sys.argv[1])["ancestors"]] == [int(sys.argv[2])]' "$output" $$
	run -0 "$HELPERS/conn-lookup" -j 127.0.0.1 "$port" "$PORT"
	says ancestors '"absent"'
}

# not_recorded WHY OPTION...: conn-list says so in one line, and not that there are none.
not_recorded() {
	run -3 timeout 10 "$HELPERS/conn-list" "${@:2}"
	[ "$output" = "conn-list: $1" ]
}

@test "conn-list --in, --listen (the table is not there) says that they are not recorded" {
	local options
	open accept itself
	take_away conn_identity_in
	for options in --in '--in --out' '--in --closed' '--in --listen' '-f --in' '-w 1 -j --in'; do
		# shellcheck disable=SC2086 # words
		not_recorded "accepted connections are not recorded here: scripts/status.sh says why" $options
	done
	for options in --listen '-f --listen --out'; do
		# shellcheck disable=SC2086 # words
		not_recorded "sockets that listen are not recorded here: scripts/status.sh says why" $options
	done
	[ "$("$HELPERS/conn-list" --dst-port "$server" | wc -l)" -eq 1 ]
	[ "$("$HELPERS/conn-list" --open --dst-port "$server" | wc -l)" -eq 1 ]
	bring_back
	[ "$("$HELPERS/conn-list" --in --src-port "$server" | wc -l)" -eq 1 ]
}

@test "conn-list --in, --listen, --closed (what would record them is off) says that they are not recorded" {
	open accept itself
	export RUN_DIR=$BATS_TEST_TMPDIR
	echo "tcp_opens off - refused" >"$RUN_DIR/features"
	not_recorded "sockets that listen are not recorded here: scripts/status.sh says why" --listen
	# They are recorded when they are accepted.
	[ "$("$HELPERS/conn-list" --in --src-port "$server" | wc -l)" -eq 1 ]
	echo "accepted off - refused" >>"$RUN_DIR/features"
	not_recorded "accepted connections are not recorded here: scripts/status.sh says why" --in
	[ "$("$HELPERS/conn-list" --closed --dst-port "$server" | wc -l)" -eq 0 ]
	echo "tcp_events off - CGROUP is not the root" >>"$RUN_DIR/features"
	for options in --open --closed '-f --closed'; do
		# shellcheck disable=SC2086 # words
		not_recorded "the state of connections is not recorded here: scripts/status.sh says why" $options
	done
	[ "$("$HELPERS/conn-list" --dst-port "$server" | wc -l)" -eq 1 ]
}

@test "attach.sh (CONN_IN_ENTRIES 0) records nothing that was accepted, and the rest as ever" {
	local before
	run "$SCRIPTS/status.sh"
	before=$status
	"$SCRIPTS/detach.sh" 2>/dev/null
	CONN_IN_ENTRIES=0 attach
	open accept itself
	run -1 "$HELPERS/conn-lookup" 127.0.0.1 "$server" "$client"
	answer 127.0.0.1 "$client" "$server"
	says pid "$pid"
	not_recorded "accepted connections are not recorded here: the setting CONN_IN_ENTRIES is 0" --in --listen
	not_recorded "sockets that listen are not recorded here: the setting CONN_IN_ENTRIES is 0" -f --listen
	[ "$("$HELPERS/conn-list" --dst-port "$server" | wc -l)" -eq 1 ]
	no_line 'conn_identity_in|connpin_inbound' "$HELPERS/tcp-metrics"
	# No program is attached that would have nothing to write. That is a choice, not a lack.
	[ ! -e "$PIN_DIR/accepted" ]
	run "$SCRIPTS/status.sh"
	[ "$status" -eq "$before" ]
	[[ $output = *"accepted         off"*"the setting CONN_IN_ENTRIES is 0"* ]]
	# A few are not none.
	"$SCRIPTS/detach.sh" 2>/dev/null
	CONN_IN_ENTRIES=3 attach
	open accept itself
	answer 127.0.0.1 "$server" "$client"
	says owner '"accepter"'
	"$SCRIPTS/detach.sh" 2>/dev/null
	attach
	[ -e "$PIN_DIR/accepted" ]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Who wants to be taken for somebody else, or wants somebody else forgotten: unprivileged
# processes, with all that the kernel lets them do.

load helper

WAYS=$TREE/.output/test/ways

setup_file() {
	attach
}

teardown_file() {
	detach
}

teardown() {
	stop_all
	# What a test that failed has left mounted.
	for place in merged top; do
		! mountpoint -q "$BATS_TEST_TMPDIR/$place" || umount "$BATS_TEST_TMPDIR/$place"
	done
}

# forge NAME USER WHAT SRC SRC_PORT DST DST_PORT [ARGUMENT]: see test/forge.py.
forge() {
	start "$1" setpriv --reuid "$2" --regid "$2" --clear-groups \
		/usr/bin/python3 "$TREE/test/forge.py" "${@:3}"
}

# names PID OPTION... DST SRC_PORT DST_PORT: the answer is that process.
names() {
	run -0 "$HELPERS/conn-lookup" -q "${@:2}"
	[ "$output" = "$1" ]
}

# matches N OPTION... DST SRC_PORT DST_PORT: so many records might have been meant.
matches() {
	"$HELPERS/conn-lookup" -j "${@:2}" >"$BATS_TEST_TMPDIR/answer"
	cat "$BATS_TEST_TMPDIR/answer"
	/usr/bin/python3 -c 'import json, sys
assert json.load(open(sys.argv[1])).get("matches", 1) == int(sys.argv[2])' \
		"$BATS_TEST_TMPDIR/answer" "$1"
}

# --- the source address ----------------------------------------------------------

@test "conn-lookup --src (UDP, another address with the same port) names each, and counts both without" {
	forge victim 0 send 127.0.0.1 23701 127.0.0.1 23702
	victim=$PID
	forge thief 65534 send 127.0.0.2 23701 127.0.0.1 23702
	thief=$PID
	names "$victim" --src 127.0.0.1 -p udp 127.0.0.1 23701 23702
	names "$thief" --src 127.0.0.2 -p udp 127.0.0.1 23701 23702
	matches 1 --src ::ffff:127.0.0.1 -p udp 127.0.0.1 23701 23702
	matches 2 -p udp 127.0.0.1 23701 23702
	run -1 "$HELPERS/conn-lookup" --src 127.0.0.3 -p udp 127.0.0.1 23701 23702
	printf 'udp 127.0.0.1 23701 23702 127.0.0.%s\n' 1 2 3 >"$BATS_TEST_TMPDIR/questions"
	run -0 "$HELPERS/conn-lookup" - <"$BATS_TEST_TMPDIR/questions"
	[[ ${lines[0]} = "{\"pid\":$victim,"*'"src_ip":"127.0.0.1"'* ]]
	[[ ${lines[1]} = "{\"pid\":$thief,"*'"src_ip":"127.0.0.2"'* ]]
	[[ ${lines[2]} = '{"error":"not found"'* ]]
}

@test "conn-lookup --src (TCP, IPv4 and IPv6, another address with the same port) names each" {
	start_server 0.0.0.0
	# shellcheck disable=SC2153 # start_server sets it
	forge victim 0 tcp 127.0.0.1 23703 127.0.0.1 "$PORT"
	victim=$PID
	forge thief 65534 tcp 127.0.0.2 23703 127.0.0.1 "$PORT"
	names "$victim" --src 127.0.0.1 127.0.0.1 23703 "$PORT"
	names "$PID" --src 127.0.0.2 127.0.0.1 23703 "$PORT"
	matches 2 127.0.0.1 23703 "$PORT"
	start_server ::1 6
	forge six 0 tcp ::1 23703 ::1 "$PORT"
	names "$PID" --src ::1 ::1 23703 "$PORT"
	run -1 "$HELPERS/conn-lookup" --src ::2 ::1 23703 "$PORT"
}

@test "conn-lookup --src (connected UDP, another address with the same port) names each" {
	forge victim 0 connect 127.0.0.1 23704 127.0.0.1 23705
	victim=$PID
	forge thief 65534 connect 127.0.0.2 23704 127.0.0.1 23705
	names "$victim" --src 127.0.0.1 -p udp 127.0.0.1 23704 23705
	names "$PID" --src 127.0.0.2 -p udp 127.0.0.1 23704 23705
}

@test "conn-lookup --src (a datagram that the kernel refused) still names the one who sent" {
	forge victim 0 connect 127.0.0.1 23706 127.0.0.1 23707
	victim=$PID
	forge thief 65534 nodev 127.0.0.2 23706 127.0.0.1 23707
	names "$victim" --src 127.0.0.1 -p udp 127.0.0.1 23706 23707
	matches 1 --src 127.0.0.1 -p udp 127.0.0.1 23706 23707
}

@test "conn-lookup --src (a datagram that brings the source along) names who is bound to it first, and counts both" {
	forge victim 0 connect 127.0.0.1 23708 127.0.0.1 23709
	victim=$PID
	forge thief 65534 pktinfo 127.0.0.2 23708 127.0.0.1 23709 127.0.0.1
	names "$victim" --src 127.0.0.1 -p udp 127.0.0.1 23708 23709
	matches 2 --src 127.0.0.1 -p udp 127.0.0.1 23708 23709
}

@test "conn-lookup --src (socket without an address yet) answers for any, unless one has it" {
	forge unbound 0 send 0 0 127.0.0.1 23710
	port=$(client_port)
	names "$PID" --src 127.0.0.1 -p udp 127.0.0.1 "$port" 23710
	ANSWER=$("$HELPERS/conn-lookup" -j -p udp 127.0.0.1 "$port" 23710)
	[[ $ANSWER = *'"src_ip":null'* ]]
	stop_all
	forge bound 0 send 127.0.0.1 "$port" 127.0.0.1 23710
	names "$PID" --src 127.0.0.1 -p udp 127.0.0.1 "$port" 23710
	matches 1 --src 127.0.0.1 -p udp 127.0.0.1 "$port" 23710
}

@test "conn-lookup --src (no address, none that one can have, with -) says what is wrong" {
	for bad in nonsense 0.0.0.0 :: 127.0.0; do
		run -2 "$HELPERS/conn-lookup" --src "$bad" 127.0.0.1 1 2
		[[ $output = "conn-lookup: --src '$bad' is "* ]]
	done
	run -2 "$HELPERS/conn-lookup" --src 127.0.0.1 -
	[[ $output = *"with - protocol and source are in each line"* ]]
	run -0 "$HELPERS/conn-lookup" - <<<'tcp 127.0.0.1 1 2 0.0.0.0'
	[[ $output = '{"error":"SRC is no address that a connection comes from"}' ]]
}

@test "GET /cgi-bin/lookup (src) asks for that source" {
	forge victim 0 send 127.0.0.1 23711 127.0.0.1 23712
	victim=$PID
	forge thief 65534 send 127.0.0.2 23711 127.0.0.1 23712
	for question in "127.0.0.1 $victim" "127.0.0.2 $PID"; do
		run -0 env REQUEST_METHOD=GET REMOTE_ADDR=192.0.2.1 LOOKUP_ALLOW=192.0.2.1 HTTP_HOST=127.0.0.1 \
			QUERY_STRING="dst=127.0.0.1&sport=23711&dport=23712&protocol=udp&src=${question% *}" \
			"$HELPERS/lookup-cgi"
		[[ $output = *"{\"pid\":${question#* },"* ]]
	done
}

# --- network namespaces ----------------------------------------------------------

@test "conn-lookup (nobody in namespaces of their own writes the key) does not take it for the host's" {
	start thief setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn sh -ec 'ip link set lo up
		exec "$@"' - /usr/bin/python3 "$TREE/test/forge.py" send 127.0.0.1 23713 127.0.0.1 23714
	thief=$PID
	# The bare PID is there for who asks the map itself.
	run -0 /usr/bin/python3 "$TREE/test/ctypes_reader.py" "$PIN_DIR/maps/conn_to_pid_v4" \
		127.0.0.1 23713 23714 udp
	[ "$output" = "$thief" ]
	run -1 "$HELPERS/conn-lookup" -p udp 127.0.0.1 23713 23714
	run -1 "$HELPERS/conn-lookup" --src 127.0.0.1 -p udp 127.0.0.1 23713 23714
	run -0 "$HELPERS/conn-lookup" - <<<'udp 127.0.0.1 23713 23714'
	[[ $output = '{"error":"not found"'* ]]
	names "$thief" --netns any -p udp 127.0.0.1 23713 23714
	forge victim 0 send 127.0.0.1 23713 127.0.0.1 23714
	victim=$PID
	start again setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn sh -ec 'ip link set lo up
		exec "$@"' - /usr/bin/python3 "$TREE/test/forge.py" send 127.0.0.1 23713 127.0.0.1 23714
	names "$victim" -p udp 127.0.0.1 23713 23714
	matches 1 -p udp 127.0.0.1 23713 23714
}

@test "conn-lookup --src (address of another namespace alone) finds it there" {
	start there unshare -n sh -ec 'ip link set lo up
		ip addr add 10.77.0.1/32 dev lo
		exec "$@"' - /usr/bin/python3 "$TREE/test/forge.py" send 10.77.0.1 23715 127.0.0.1 23716
	names "$PID" --src 10.77.0.1 -p udp 127.0.0.1 23715 23716
	run -1 "$HELPERS/conn-lookup" -p udp 127.0.0.1 23715 23716
}

@test "conn-lookup (inode number of a namespace used again) does not take the earlier one's record" {
	# Twelve, because the kernel may give the number of one to something else.
	for source in {23740..23751}; do
		unshare -n sh -ec 'ip link set lo up
			exec "$@"' - /usr/bin/python3 "$TREE/test/forge.py" send 127.0.0.1 "$source" 127.0.0.1 23718 \
			</dev/null >/dev/null
	done
	"$HELPERS/conn-list" -j -p udp --dst-port 23718 >"$BATS_TEST_TMPDIR/earlier"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/earlier")" -eq 12 ]
	# The kernel gives the lowest number that is free: who holds those before it gets it.
	# shellcheck disable=SC2016 # of Python
	again='import ctypes, json, os, sys, time
ports = {e["netns"]: e["src_port"] for e in map(json.loads, open(sys.argv[1]))}
held = []
while len(held) < 500:
    assert ctypes.CDLL(None).unshare(0x40000000) == 0 # CLONE_NEWNET
    port = ports.get(os.stat("/proc/self/ns/net").st_ino)
    if port:
        os.execv(sys.argv[2], [word.replace("PORT", str(port)) for word in sys.argv[2:]])
    held.append(os.open("/proc/self/ns/net", os.O_RDONLY))
    time.sleep(0.0002 * len(held)) # a namespace goes some time after its last process
print("nobody got a number of", ports)
sys.exit(4)'
	run -1 /usr/bin/python3 -c "$again" "$BATS_TEST_TMPDIR/earlier" "$HELPERS/conn-lookup" -q -p udp 127.0.0.1 PORT 23718
	# shellcheck disable=SC2016 # of the shell within
	run -1 /usr/bin/python3 -c "$again" "$BATS_TEST_TMPDIR/earlier" /bin/sh -c '"$@" --netns $$ -p udp 127.0.0.1 PORT 23718' - \
		"$HELPERS/conn-lookup" -q
}

@test "conn-lookup --netns (unprivileged, a namespace that it may not enter) finds it by its cookie, or says so" {
	start there unshare -n sh -ec 'ip link set lo up
		exec "$@"' - /usr/bin/python3 "$TREE/test/forge.py" send 127.0.0.1 23719 127.0.0.1 23720
	# Where everybody may look.
	name=$(mktemp)
	mount --bind "/proc/$PID/ns/net" "$name"
	run setpriv --reuid 65534 --regid connpin --clear-groups \
		"$HELPERS/conn-lookup" -q --netns "$name" -p udp 127.0.0.1 23719 23720
	umount "$name"
	rm "$name"
	case $status in
	0) [ "$output" = "$PID" ] ;;
	2) [[ $output = *"ask as root"* ]] ;;
	*) false ;;
	esac
}

# --- what is not recorded as usual -----------------------------------------------

# In a namespace with this one port to choose, from a process that has closed the socket.
one_port() {
	HOLD=no start victim unshare -n sh -ec 'ip link set lo up
		echo "23730 23730" >/proc/sys/net/ipv4/ip_local_port_range
		exec "$@"' - /usr/bin/python3 "$TREE/test/forge.py" connect 0 0 127.0.0.1 23731
	victim=$PID
	[ "$(client_port)" = 23730 ]
	names "$victim" --netns "$victim" -p udp 127.0.0.1 23730 23731
}

# takes_over WAY: whoever has the port now is named, or nobody.
takes_over() {
	one_port
	for bound in 23730 ''; do
		start "thief$bound" nsenter -t "$victim" -n setpriv --reuid 65534 --regid 65534 \
			--clear-groups env ${bound:+WAYS_BIND="$bound"} "$WAYS" "$1" 127.0.0.1 23731
		[ "$(client_port)" = 23730 ]
		run "$HELPERS/conn-lookup" -q --netns "$victim" -p udp 127.0.0.1 23730 23731
		echo "$1 ${bound:-unbound}: status $status, $output; the victim is $victim, the thief $PID"
		if [ "${2-}" = may-miss ] && [ -z "$bound" ] && ! [ -e "$PIN_DIR/links/on_udp_connect4" ]; then
			# Nobody, and to who asks many at once or lists them either.
			[ "$status" -eq 1 ]
			ANSWER=$("$HELPERS/conn-lookup" --netns "$victim" - <<<'udp 127.0.0.1 23730 23731')
			[[ $ANSWER = '{"error":"not found"'* ]]
			no_line " (live|exited) " "$HELPERS/conn-list" -p udp --src-port 23730 --dst-port 23731
		else
			[ "$status:$output" = "0:$PID" ]
		fi
		kill "$PID"
		wait "$PID" || true
		# The earlier owner once more.
		HOLD=no start "again$bound" nsenter -t "$victim" -n /usr/bin/python3 "$TREE/test/forge.py" \
			connect 0 0 127.0.0.1 23731
		names "$PID" --netns "$victim" -p udp 127.0.0.1 23730 23731
	done
}

@test "conn-lookup (descriptor with the upper half of the register set) names who connected" {
	takes_over wide-udp-connect
}

@test "conn-lookup (io_uring connects a UDP socket to a port that was another's) does not name the other" {
	takes_over uring-udp-connect may-miss
}

@test "conn-lookup (32-bit system call connects a UDP socket to a port that was another's) does not name the other" {
	requires int80
	takes_over int80-udp-connect may-miss
}

@test "conn-lookup (MPTCP subflow of the kernel's on a port that was another's) names nobody" {
	HOLD=no start victim unshare -n sh -ec 'ip link set lo up
		ip addr add 10.9.9.1/32 dev lo
		ip addr add 10.9.9.2/32 dev lo
		ip mptcp limits set subflow 2 add_addr_accepted 2
		ip mptcp endpoint add 10.9.9.2 subflow
		echo "23740 23741" >/proc/sys/net/ipv4/ip_local_port_range
		exec "$@"' - /usr/bin/python3 -c 'import os, socket, struct, sys
for port in 23740, 23741:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("10.9.9.2", port))
    try: s.connect(("10.9.9.1", 23742))
    except ConnectionRefusedError: pass
    s.close()
print(os.getpid(), 0, flush=True)
sys.stdin.read()'
	victim=$PID
	for port in 23740 23741; do
		names "$victim" --netns "$victim" 10.9.9.1 "$port" 23742
	done
	start client nsenter -t "$victim" -n env MPTCP_PORT=23742 MPTCP_HOLD=1 \
		/usr/bin/python3 "$TREE/test/mptcp_join.py"
	client=$PID
	named=0 nobody=0
	for port in 23740 23741; do
		run "$HELPERS/conn-lookup" -q --netns "$victim" 10.9.9.1 "$port" 23742
		echo "$port: $status $output; the victim is $victim, the client $client"
		case $status:$output in
		"0:$client") named=$((named + 1)) ;;
		1:*) nobody=$((nobody + 1)) ;;
		esac
		ANSWER=$("$HELPERS/conn-lookup" --netns "$victim" - <<<"tcp 10.9.9.1 $port 23742")
		[[ $ANSWER != *"\"pid\":$victim,"* ]]
	done
	[ "$named $nobody" = "1 1" ]
}

# --- the executable --------------------------------------------------------------

# asks: the JSON about the client, in ANSWER; has PYTHON is true of it, a, and of its process p.
asks() {
	ANSWER=$("$HELPERS/conn-lookup" -j "$@")
	echo "$ANSWER"
}

has() {
	/usr/bin/python3 -c 'import json, os, sys
a = json.loads(sys.argv[1])
p = a["pid"]
assert eval(sys.argv[2]), sys.argv[2]' "$ANSWER" "$1"
}

# connects_then PYTHON: a process that connects and then does this.
connects_then() {
	start_server 127.0.0.1
	start client /usr/bin/python3 -c 'import os, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(os.getpid(), s.getsockname()[1], flush=True)
s.set_inheritable(True)
'"$1" "$PORT"
}

@test "conn-lookup (another program executed after the connect) says so, and names the one that connected" {
	connects_then 'if os.fork() == 0: sys.stdin.read(); os._exit(0)
os.execv("'"$TRAFFIC"'", ["traffic", "listen", "127.0.0.1", "0"])'
	poll grep -qx traffic "/proc/$PID/comm"
	asks 127.0.0.1 "$(client_port)" "$PORT"
	has 'a["status"] == "live" and a["comm"] == "python3" and a["exe_changed"] is True'
	has 'a["exe"] == os.path.realpath("/usr/bin/python3") and "import os, socket" in a["cmdline"] and a["ppid"] is not None'
	has '(os.stat("/usr/bin/python3").st_dev, os.stat("/usr/bin/python3").st_ino) == (a["exe_device"], a["exe_inode"])'
	run -0 "$HELPERS/conn-lookup" 127.0.0.1 "$(client_port)" "$PORT"
	[[ $output = *$'\nexe_changed: true\n'* && $output = *$'\nexe: '*python* ]]
	no_line '^exe: .*traffic' echo "$output"
	ANSWER=$("$HELPERS/conn-lookup" - <<<"tcp 127.0.0.1 $(client_port) $PORT")
	has '"python" in a["exe"] and a["exe_changed"] is True'
}

@test "conn-lookup (the same program, executed again, replaced, deleted) names it as it is" {
	connects_then 'os.execv(sys.executable, [sys.executable, "-c", "import sys; sys.stdin.read()"])'
	poll grep -q 'stdin' "/proc/$PID/cmdline"
	asks 127.0.0.1 "$(client_port)" "$PORT"
	has 'a["exe_changed"] is False and a["exe"] == os.readlink("/proc/%d/exe" % p)'
	cp "$TRAFFIC" "$BATS_TEST_TMPDIR/program"
	start other "$BATS_TEST_TMPDIR/program" connect 127.0.0.1 "$PORT"
	rm "$BATS_TEST_TMPDIR/program"
	cp "$WAYS" "$BATS_TEST_TMPDIR/program"
	asks 127.0.0.1 "$(client_port)" "$PORT"
	has 'a["exe_changed"] is False and a["exe"].endswith("program (deleted)")'
	has 'a["exe_inode"] == os.stat("/proc/%d/exe" % p).st_ino'
}

@test "conn-lookup (overlayfs, whose numbers are its own) never says changed of what is the same" {
	mkdir "$BATS_TEST_TMPDIR"/{top,merged}
	mount -t tmpfs tmpfs "$BATS_TEST_TMPDIR/top"
	mkdir "$BATS_TEST_TMPDIR"/top/{lower,upper,work}
	cp "$TRAFFIC" "$BATS_TEST_TMPDIR/top/lower/program"
	cp "$TRAFFIC" "$BATS_TEST_TMPDIR/top/lower/other"
	o=$BATS_TEST_TMPDIR/top
	mount -t overlay overlay -o "lowerdir=$o/lower,upperdir=$o/upper,workdir=$o/work" \
		"$BATS_TEST_TMPDIR/merged"
	start_server 127.0.0.1
	start client "$BATS_TEST_TMPDIR/merged/program" connect 127.0.0.1 "$PORT"
	asks 127.0.0.1 "$(client_port)" "$PORT"
	same=$ANSWER
	connects_then 'os.execv("'"$BATS_TEST_TMPDIR"'/merged/other", ["other", "listen", "127.0.0.1", "0"])'
	poll grep -qx other "/proc/$PID/comm"
	asks 127.0.0.1 "$(client_port)" "$PORT"
	stop_all
	umount "$BATS_TEST_TMPDIR/merged" "$BATS_TEST_TMPDIR/top"
	# That it is another one can't be told by numbers that are made up.
	has 'a["exe_changed"] is not False'
	ANSWER=$same
	has 'a["exe_changed"] is not True and a["exe"].endswith("/merged/program")'
}

@test "conn-lookup (the first thread has ended, another goes on) tells executable and arguments" {
	start_server 127.0.0.1
	start client "$WAYS" leaderless 127.0.0.1 "$PORT"
	grep -q '^State:.Z' "/proc/$PID/status"
	asks 127.0.0.1 "$(client_port)" "$PORT"
	has 'a["status"] == "live" and a["exe"].endswith("/ways") and a["exe_changed"] is False'
	has 'a["cmdline"].endswith("/ways leaderless 127.0.0.1 %d" % a["dst_port"])'
}

@test "conn-lookup (asked in another time namespace) knows the process, and how long ago it was" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	ANSWER=$(unshare -T --boottime 100000 --fork "$HELPERS/conn-lookup" -j 127.0.0.1 "$(client_port)" "$PORT")
	has 'a["status"] == "live" and a["exe"].endswith("/traffic") and a["age_seconds"] < 60'
	run -0 unshare -T --boottime -5 --fork "$HELPERS/conn-list" --pid "$PID"
	[[ $output = *" $PID live traffic" ]]
}

# --- room ------------------------------------------------------------------------

@test "identity_hash() is SipHash-1-3, and keys that shared the former hash do not share it" {
	run -0 /usr/bin/python3 "$TREE/test/siphash.py" "$TREE/.output/test/collisions"
	[ "$output" = 20 ]
	# Of the former, 8 of 64 for each of 20,000 seeds; of this one, the victim's own.
	run -0 "$TREE/.output/test/collisions" KEYS
	[ "$output" = "8 8 1" ]
}

@test "conn_identity (who is not a member of the group) can't be opened, by its pin or by its number" {
	id=$(bpftool map show pinned "$PIN_DIR/maps/conn_identity" | sed -n '1s/:.*//p')
	# shellcheck disable=SC2016 # of Python
	try='import ctypes, os, struct, sys
path = ctypes.create_string_buffer(sys.argv[1].encode())
tries = [(7, struct.pack("=QII", ctypes.addressof(path), 0, flags)) for flags in (0, 8)]
tries += [(14, struct.pack("=III", int(sys.argv[2]), 0, flags)) for flags in (0, 8)]
for command, attr in tries:
    attr = ctypes.create_string_buffer(attr, 128)
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    fd = ctypes.CDLL(None, use_errno=True).syscall(number, command, attr, 128)
    print("open" if fd >= 0 else os.strerror(ctypes.get_errno()))'
	run -0 setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 -c "$try" \
		"$PIN_DIR/maps/conn_identity" "$id"
	[ "$output" = 'Permission denied
Permission denied
Operation not permitted
Operation not permitted' ]
	# The same question from a member, for the answer that it can have.
	run -0 setpriv --reuid 65534 --regid connpin --clear-groups /usr/bin/python3 -c "$try" \
		"$PIN_DIR/maps/conn_identity" "$id"
	[ "${lines[1]}" = open ]
}

evictions() {
	metric "connpin_identity_evictions_total{protocol=\"$1\"}"
}

@test "conn-lookup (an unprivileged process sends 200,000 datagrams) keeps TCP, and the datagrams of others" {
	start_server 127.0.0.1
	# On one CPU: each keeps the newest entries of the table that is fixed from the others.
	start tcp taskset -c 0 "$TRAFFIC" connect 127.0.0.1 "$PORT"
	tcp="$PID 127.0.0.1 $(client_port) $PORT"
	forge udp 0 send 0 0 127.0.0.1 23750
	udp="$PID 127.0.0.1 $(client_port) 23750"
	before=$(evictions udp) tcp_before=$(evictions tcp)
	taskset -c 0 setpriv --reuid 65534 --regid 65534 --clear-groups "$WAYS" spread 200000 </dev/null
	# The table that is fixed has lost them.
	# shellcheck disable=SC2086 # words
	run -1 /usr/bin/python3 "$TREE/test/ctypes_reader.py" "$PIN_DIR/maps/conn_to_pid_v4" ${tcp#* } tcp
	# shellcheck disable=SC2086
	names $tcp
	# shellcheck disable=SC2086
	names ${udp%% *} -p udp ${udp#* }
	[ "$(evictions udp)" -gt $((before + 100000)) ]
	[ "$(evictions tcp)" -eq "$tcp_before" ]
}

@test "conn_identity (all records that a datagram may take are being written) drops it, and no TCP connection goes" {
	detach
	CONN_V4_ENTRIES=1024 CONN_V6_ENTRIES=256 attach
	# A few datagrams first, so that those of TCP are in the last records of the buckets.
	setpriv --reuid 4001 --regid 65534 --clear-groups "$WAYS" spread 400 </dev/null
	"$TRAFFIC" open 3000
	entries=$(bpftool map show pinned "$PIN_DIR/maps/conn_identity" | sed -n 's/.*max_entries \([0-9]*\).*/\1/p')
	[ "$(/usr/bin/python3 "$TREE/test/busy_records.py" "$PIN_DIR/maps/conn_identity" "$entries")" -gt 100 ]
	before=$(evictions tcp) dropped=$(metric 'connpin_dropped_total{map="conn_identity",cause="busy"}')
	setpriv --reuid 4002 --regid 65534 --clear-groups "$WAYS" spread 3000 </dev/null
	[ "$(evictions tcp)" -eq "$before" ]
	[ "$(metric 'connpin_dropped_total{map="conn_identity",cause="busy"}')" -ge $((dropped + 2500)) ]
	detach
	attach
}

@test "conn-lookup (TCP of one user in a table full of another's) keeps half of the room for the other" {
	# Each bucket has eight records; a user of 60,000 has many buckets full.
	setpriv --reuid 4001 --regid 65534 --clear-groups "$WAYS" spread 60000 </dev/null >"$BATS_TEST_TMPDIR/first"
	read -r pid port <"$BATS_TEST_TMPDIR/first"
	setpriv --reuid 4002 --regid 65534 --clear-groups "$WAYS" spread 300000 </dev/null
	# Those of the first that are left, of the addresses that it sent to.
	for n in {0..2999}; do
		echo "udp 127.16.$((n * 20 / 256)).$((n * 20 % 256)) $port 9"
	done >"$BATS_TEST_TMPDIR/questions"
	"$HELPERS/conn-lookup" - <"$BATS_TEST_TMPDIR/questions" >"$BATS_TEST_TMPDIR/answers"
	left=$(grep -c "^{\"pid\":$pid,.*\"comm\":\"ways\"" "$BATS_TEST_TMPDIR/answers")
	echo "$left of 3000 are left"
	# 40,960 of 60,000, if the buckets were filled evenly.
	[ "$left" -gt 1500 ]
}

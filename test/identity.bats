#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Whose is it, really? Identities, what became of the process, namespaces, and the
# uncommon ways to connect and to send.

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
}

# answer PROTOCOL DST [OPTION...]: the JSON about the client that start made, in ANSWER.
answer() {
	ANSWER=$("$HELPERS/conn-lookup" -j -p "$1" "${@:3}" "$2" "$(client_port)" "$PORT")
	echo "$ANSWER"
}

# holds PYTHON: true of the object a, the answer; p is the process id.
holds() {
	/usr/bin/python3 -c '
import json, os, sys
a, p = json.loads(sys.argv[1]), int(sys.argv[2])
def stat(field):
    return open("/proc/%d/stat" % p).read().rpartition(")")[2].split()[field - 3]
assert eval(sys.argv[3]), (sys.argv[3], a)' "$ANSWER" "$(client_pid)" "$1"
}

# client_of WAY ARGUMENT...: start it, with a server at 127.0.0.1 to connect to.
client_of() {
	start_server 127.0.0.1
	start client "$WAYS" "$1" "${@:2}" 127.0.0.1 "$PORT"
}

sends() {
	PORT=23550
	start client "$WAYS" "$1" 127.0.0.1 "$PORT"
	answer udp 127.0.0.1
	holds 'a["pid"] == p and a["status"] == "live" and a["comm"] == "ways"'
}

connects() {
	client_of "$@"
	answer tcp 127.0.0.1
	holds 'a["pid"] == p and a["status"] == "live"'
}

# --- the fields ----------------------------------------------------------------

@test "conn-lookup (process is live) tells all of it, as /proc has it" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	answer tcp 127.0.0.1
	holds 'a["pid"] == a["tid"] == p and a["status"] == "live"'
	holds 'a["start_time_ns"] // 10**7 == int(stat(22))'
	holds '(a["uid"], a["gid"]) == (os.getuid(), os.getgid()) and a["ppid"] == int(stat(4))'
	holds 'a["comm"] == "traffic" and a["exe"] == os.readlink("/proc/%d/exe" % p)'
	holds 'a["cmdline"].endswith("traffic connect 127.0.0.1 %d" % a["dst_port"])'
	holds '"0::" + a["cgroup"] + "\n" in open("/proc/%d/cgroup" % p).read()'
	holds 'a["netns"] == os.stat("/proc/%d/ns/net" % p).st_ino'
	holds '0 <= a["age_seconds"] < 60 and "matches" not in a'
	holds '(a["protocol"], a["dst_ip"]) == ("tcp", "127.0.0.1") and a["src_port"] != a["dst_port"]'
}

@test "conn-lookup (text) says the same in lines" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	run -0 "$HELPERS/conn-lookup" 127.0.0.1 "$(client_port)" "$PORT"
	[ "${lines[0]}" = "PID: $PID" ]
	[[ $output = *"
status: live
comm: traffic
exe: $(readlink -f "$TRAFFIC")
cmdline: $TRAFFIC connect 127.0.0.1 $PORT
ppid: "*"
tid: $PID
uid: 0
gid: 0
cgroup: /"* ]]
}

@test "conn-lookup (user, group, cgroup of their own) tells those of the process" {
	cgroup=$CGROUP_ROOT/connpin_who_$$
	mkdir "$cgroup"
	start_server 127.0.0.1
	start client bash -c 'echo 0 >"$0/cgroup.procs"
		exec setpriv --reuid 4242 --regid 4343 --clear-groups "$@"' "$cgroup" \
		"$TRAFFIC" connect 127.0.0.1 "$PORT"
	answer tcp 127.0.0.1
	holds "a['uid'] == 4242 and a['gid'] == 4343 and a['cgroup'] == '/connpin_who_$$'"
	holds "a['cgroup_id'] == os.stat('$cgroup').st_ino"
	kill "$PID"
	wait "$PID" || true
	answer tcp 127.0.0.1
	holds "a['status'] == 'exited' and a['uid'] == 4242 and a['cgroup'] == '/connpin_who_$$'"
	poll rmdir "$cgroup"
	answer tcp 127.0.0.1
	holds 'a["cgroup"] is None and a["cgroup_id"] > 1'
}

@test "conn-lookup (worker thread with a name of its own) names the process, and the thread's id" {
	client_of thread
	tid=${FIRST##* }
	FIRST=${FIRST% *}
	answer tcp 127.0.0.1
	holds "a['pid'] == p and a['comm'] == 'ways' and a['tid'] == $tid != p"
}

@test "conn-lookup (comm of quotes, control characters, HTML, invalid UTF-8) stays valid JSON and one line" {
	for name in $'a"b\\c' $'\t\n\e[31m' '<script>x' $'\xff\xfe\xc3(' $'\xc2\x9b31m' $'\xed\xa0\x80'; do
		connects name "$name"
		[ "$(wc -l <<<"$ANSWER")" -eq 1 ]
		run -0 "$HELPERS/conn-lookup" 127.0.0.1 "$(client_port)" "$PORT"
		[ "$(grep -c '^comm: ' <<<"$output")" -eq 1 ]
		LC_ALL=C no_line $'[\001-\010\013-\037\177]' echo "$output"
		no_line $'\xc2[\x80-\x9f]' echo "$output"
		stop_all
	done
}

@test "conn-lookup (command line of 128 kB, HTML and bytes of any kind) cuts it and stays valid" {
	start_server 127.0.0.1
	long=$(head -c 131000 /dev/zero | tr '\0' x)
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT" "$long"
	answer tcp 127.0.0.1
	holds 'len(a["cmdline"]) == 4096 and a["cmdline"].endswith("xxx")'
	start odd "$TRAFFIC" connect 127.0.0.1 "$PORT" $'<b>"\xff\n\e</b>'
	answer tcp 127.0.0.1
	holds 'a["cmdline"].endswith(" <b>\"\ufffd\n\x1b</b>")'
	echo "tcp 127.0.0.1 $(client_port) $PORT" | "$HELPERS/conn-lookup" - >"$BATS_TEST_TMPDIR/batch"
	ANSWER=$(cat "$BATS_TEST_TMPDIR/batch")
	holds 'a["cmdline"].endswith(" <b>\"\ufffd\n\x1b</b>")'
}

# --- what became of it ---------------------------------------------------------

@test "conn-lookup (process has exited) says so and keeps what was recorded" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	kill "$PID"
	wait "$PID" || true
	answer tcp 127.0.0.1
	holds 'a["pid"] == p and a["status"] == "exited" and a["comm"] == "traffic" and a["uid"] == 0'
	holds 'a["exe"] == os.path.realpath(os.environ["TRAFFIC"]) and a["start_time_ns"] > 0'
}

@test "conn-lookup (process is a zombie) says exited" {
	start_server 127.0.0.1
	# The parent does not wait for it.
	start client bash -c '"$0" connect 127.0.0.1 "$1" <&0 & echo; sleep 60' "$TRAFFIC" "$PORT" 3>&-
	poll grep -q '[0-9] [0-9]' "$BATS_TEST_TMPDIR/client.out"
	FIRST=$(grep '[0-9] [0-9]' "$BATS_TEST_TMPDIR/client.out")
	kill "$(client_pid)"
	poll grep -q '^State:.Z' "/proc/$(client_pid)/status"
	answer tcp 127.0.0.1
	holds 'a["status"] == "exited" and a["comm"] == "traffic"'
}

@test "conn-lookup (PID reused by another process) says so and does not name the newcomer" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	first=$FIRST pid=$PID
	kill "$pid"
	wait "$pid" || true
	# The clock of /proc goes in steps of 10 ms.
	sleep 0.02
	start newcomer "$WAYS" reuse "$pid"
	[ "$FIRST" = "$pid" ]
	FIRST=$first
	answer tcp 127.0.0.1
	holds 'a["pid"] == p and a["status"] == "reused" and a["comm"] == "traffic"'
	holds 'a["exe"] == os.path.realpath(os.environ["TRAFFIC"]) and a["exe_changed"] is None'
	no_line ways echo "$ANSWER"
	run -0 "$HELPERS/conn-list" --pid "$pid"
	[[ $output = *" $pid reused traffic"* ]]
	no_line 'live|ways' echo "$output"
}

@test "conn-lookup (processes that come and go meanwhile) never fails and never says live of the dead" {
	start_server 127.0.0.1
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		"$TRAFFIC" connect 127.0.0.1 "$PORT" </dev/null >"$BATS_TEST_TMPDIR/gone" &
		pid=$!
		poll grep -q . "$BATS_TEST_TMPDIR/gone"
		FIRST=$(cat "$BATS_TEST_TMPDIR/gone")
		answer tcp 127.0.0.1
		holds 'a["pid"] == p and a["status"] in ("live", "exited") and a["comm"] == "traffic"'
		wait "$pid"
		answer tcp 127.0.0.1
		holds 'a["status"] == "exited"'
		: >"$BATS_TEST_TMPDIR/gone"
	done
}

@test "conn-lookup (identity was overwritten) answers with the PID and unknown" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	forget "$PID"
	answer tcp 127.0.0.1
	holds 'a["pid"] == p and a["status"] == "unknown"'
	holds 'all(a[k] is None for k in ("comm", "exe", "cmdline", "uid", "netns", "start_time_ns", "age_seconds"))'
	ANSWER=$(echo "tcp 127.0.0.1 $(client_port) $PORT" | "$HELPERS/conn-lookup" -)
	holds 'a["pid"] == p and a["status"] == "unknown" and a["comm"] is None'
}

# forget PID [DST_PORT]: its identities, as if newer ones had taken their place; or see
# test/forget_identity.py.
forget() {
	local entries
	entries=$(bpftool map show pinned "$PIN_DIR/maps/conn_identity" | sed -n 's/.*max_entries \([0-9]*\).*/\1/p')
	[ "$(/usr/bin/python3 "$TREE/test/forget_identity.py" "$PIN_DIR/maps/conn_identity" "$entries" "$@")" -ge 1 ]
}

# tell COMMAND: to datagrams.py, until it has answered.
tell() {
	local before
	before=$(wc -l <"$BATS_TEST_TMPDIR/client.out")
	# shellcheck disable=SC2154 # start() assigns it
	echo "$1" >&"$fd"
	# shellcheck disable=SC2016 # for the inner shell
	poll sh -c '[ "$(wc -l <"$0")" -gt "$1" ]' "$BATS_TEST_TMPDIR/client.out" "$before"
}

@test "conn-lookup (one more datagram, when record or entry are gone, or after an exec) knows its process again" {
	PORT=23563
	cp /usr/bin/python3 "$BATS_TEST_TMPDIR/other"
	for address in 127.0.0.1 ::1; do
		start client /usr/bin/python3 "$TREE/test/datagrams.py" "$address" "$PORT"
		answer udp "$address"
		holds 'a["pid"] == p and a["status"] == "live"'
		tell send
		forget "$PID"
		answer udp "$address"
		holds 'a["status"] == "unknown"'
		tell send
		answer udp "$address"
		holds 'a["pid"] == p and a["status"] == "live"'
		tell send
		map=$PIN_DIR/maps/conn_to_pid_v4 key=(127 0 0 1)
		[ "$address" = 127.0.0.1 ] || map=$PIN_DIR/maps/conn_to_pid_v6 key=(0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1)
		port=$(client_port)
		key+=($((port & 255)) $((port >> 8)) $((PORT & 255)) $((PORT >> 8)) 17 0 0 0)
		bpftool map delete pinned "$map" key "${key[@]}"
		tell send
		run -0 bpftool map lookup pinned "$map" key "${key[@]}"
		tell send
		tell "exec $BATS_TEST_TMPDIR/other"
		tell send
		answer udp "$address"
		holds 'a["pid"] == p and a["exe"].endswith("/other") and a["exe_changed"] is False'
		stop_all
	done
}

@test "conn-lookup (the tag is another connection's) does not take its record" {
	start client /usr/bin/python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in 23561, 23562:
    s.sendto(b"x", ("127.0.0.1", port))
print(os.getpid(), s.getsockname()[1], flush=True)
sys.stdin.read()'
	PORT=23562
	answer udp 127.0.0.1
	holds 'a["pid"] == p and a["status"] == "live"'
	forget "$PID" "$PORT"
	answer udp 127.0.0.1
	holds 'a["pid"] == p and a["status"] == "unknown"'
	# The process itself is known from the question before, which has to come at once with it.
	printf 'udp 127.0.0.1 %s %s\n' "$(client_port)" 23561 "$(client_port)" "$PORT" >"$BATS_TEST_TMPDIR/questions"
	ANSWER=$("$HELPERS/conn-lookup" - <"$BATS_TEST_TMPDIR/questions" | tail -n 1)
	holds 'a["pid"] == p and a["dst_port"] == 23562 and a["status"] == "unknown"'
}

@test "conn-lookup (unprivileged) has what was recorded where /proc is closed to it, and the same otherwise" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	ANSWER=$(setpriv --reuid 65534 --regid connpin --clear-groups \
		"$HELPERS/conn-lookup" -j 127.0.0.1 "$(client_port)" "$PORT")
	holds 'a["pid"] == p and a["status"] == "live" and a["exe_changed"] is None and a["comm"] == "traffic"'
	holds 'a["exe"] == os.path.realpath(os.environ["TRAFFIC"]) and a["cmdline"].endswith(" connect 127.0.0.1 %d" % a["dst_port"])'
	# /proc mounted so that it shows nothing of other users.
	ANSWER=$(unshare -m sh -ec 'mount -t proc -o hidepid=2 proc /proc
		exec setpriv --reuid 65534 --regid connpin --clear-groups "$@"' - \
		"$HELPERS/conn-lookup" -j 127.0.0.1 "$(client_port)" "$PORT")
	holds 'a["pid"] == p and a["status"] == "unknown" and a["comm"] == "traffic"'
}

@test "conn-lookup (asked in another PID namespace) does not take its numbers for the host's" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	ANSWER=$(unshare -pf --mount-proc "$HELPERS/conn-lookup" -j 127.0.0.1 "$(client_port)" "$PORT")
	holds 'a["pid"] == p and a["status"] == "unknown" and a["comm"] == "traffic"'
	# What was recorded is right wherever it is read.
	holds 'a["exe"] == os.path.realpath(os.environ["TRAFFIC"])'
}

# --- network namespaces --------------------------------------------------------

# The same ports and destination once more, from a process in a namespace of its own.
two_namespaces() {
	PORT=23551
	WAYS_LISTEN=1 start here "$WAYS" bound 23552 127.0.0.1 "$PORT"
	here=$PID
	WAYS_LISTEN=1 start there unshare -n sh -ec 'ip link set lo up
		exec "$@"' - "$WAYS" bound 23552 127.0.0.1 "$PORT"
	there=$PID
}

@test "conn-lookup (two network namespaces, same tuple) answers of the own, of another when asked, and of both with --all" {
	two_namespaces
	run -0 "$HELPERS/conn-lookup" -q 127.0.0.1 23552 "$PORT"
	[ "$output" = "$here" ]
	run -0 nsenter -t "$there" -n "$HELPERS/conn-lookup" -q 127.0.0.1 23552 "$PORT"
	[ "$output" = "$there" ]
	# The last to come, whose own namespace it is or not.
	run -0 "$HELPERS/conn-lookup" -q --netns any 127.0.0.1 23552 "$PORT"
	[ "$output" = "$there" ]
	run -0 "$HELPERS/conn-lookup" -q --netns "$there" 127.0.0.1 23552 "$PORT"
	[ "$output" = "$there" ]
	run -0 "$HELPERS/conn-lookup" -q --netns "/proc/$here/ns/net" 127.0.0.1 23552 "$PORT"
	[ "$output" = "$here" ]
	run -0 "$HELPERS/conn-lookup" -j --all 127.0.0.1 23552 "$PORT"
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} = "{\"pid\":$here,"*',"matches":2}' ]]
	[[ ${lines[1]} = "{\"pid\":$there,"*',"matches":2}' ]]
	run -0 "$HELPERS/conn-lookup" -q --all 127.0.0.1 23552 "$PORT"
	[ "$output" = "$here"$'\n'"$there" ]
	# A namespace that has no such connection.
	run -1 unshare -n "$HELPERS/conn-lookup" -q --netns /proc/self/ns/net 127.0.0.1 23552 "$PORT"
	ANSWER=$(echo "tcp 127.0.0.1 23552 $PORT" | "$HELPERS/conn-lookup" --netns "$there" -)
	[[ $ANSWER = "{\"pid\":$there,"*'}' && $ANSWER != *matches* ]]
	run -0 "$HELPERS/conn-list" --src-port 23552
	[ "${#lines[@]}" -eq 2 ]
}

@test "conn-lookup (own identity overwritten, another namespace has the tuple) does not name the other's process" {
	PORT=23551
	WAYS_LISTEN=1 start there unshare -n sh -ec 'ip link set lo up
		exec "$@"' - "$WAYS" bound 23552 127.0.0.1 "$PORT"
	there=$PID
	WAYS_LISTEN=1 start here "$WAYS" bound 23552 127.0.0.1 "$PORT"
	forget "$PID"
	answer tcp 127.0.0.1
	holds 'a["pid"] == p and a["status"] == "unknown"'
	run -0 "$HELPERS/conn-lookup" -q --netns "$there" 127.0.0.1 23552 "$PORT"
	[ "$output" = "$there" ]
	# The list has both.
	"$HELPERS/conn-list" --src-port 23552 --dst-port "$PORT" >"$BATS_TEST_TMPDIR/list"
	cat "$BATS_TEST_TMPDIR/list"
	grep -q "^tcp 127.0.0.1 23552 $PORT $there live ways" "$BATS_TEST_TMPDIR/list"
	grep -q "^tcp 127.0.0.1 23552 $PORT $PID unknown" "$BATS_TEST_TMPDIR/list"
}

@test "conn-lookup (socket of another namespace than its process) tells the socket's" {
	start client /usr/bin/python3 -c '
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
own = os.open("/proc/self/ns/net", os.O_RDONLY)
if libc.unshare(0x40000000): raise OSError(ctypes.get_errno(), "unshare")
os.system("ip link set lo up")
there = os.stat("/proc/self/ns/net").st_ino
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tcp = socket.socket()
if libc.setns(own, 0x40000000): raise OSError(ctypes.get_errno(), "setns")
udp.sendto(b"x", ("127.0.0.1", 23553))
try: tcp.connect(("127.0.0.1", 23553))
except ConnectionRefusedError: pass
print(os.getpid(), udp.getsockname()[1], there, flush=True)
sys.stdin.read()'
	netns=${FIRST##* }
	FIRST=${FIRST% *}
	PORT=23553
	answer udp 127.0.0.1 --netns any
	holds "a['pid'] == p and a['netns'] == $netns"
	[ "$netns" -ne "$(stat -L -c %i /proc/self/ns/net)" ]
	run -0 "$HELPERS/conn-list" -j -p tcp --dst-port 23553
	[[ $output = *"\"netns\":$netns,"* ]]
}

@test "conn-lookup (of another namespace, bare PIDs closed to it) exits 3 and names nobody" {
	local mode rc
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	mode=$(stat -c %a "$PIN_DIR/maps/conn_to_pid_v4")
	for closed in "$mode" 600; do
		chmod "$closed" "$PIN_DIR/maps/conn_to_pid_v4"
		run unshare -n setpriv --reuid 65534 --regid connpin --clear-groups \
			"$HELPERS/conn-lookup" -q 127.0.0.1 "$(client_port)" "$PORT"
		rc=$status
		chmod "$mode" "$PIN_DIR/maps/conn_to_pid_v4"
		if [ "$closed" = 600 ]; then
			# Whose it is in the asker's own namespace can't be ruled out.
			[ "$rc" -eq 3 ]
			[[ $output = *"no permission to read"* ]]
		else
			[ "$rc" -eq 1 ]
			[[ $output = *"no process is known"* ]]
		fi
	done
}

@test "conn-lookup (--netns of nothing) says what is wrong" {
	for bad in 4294967295 0 nonsense /etc/passwd /no/such/file ''; do
		run -2 "$HELPERS/conn-lookup" --netns "$bad" 127.0.0.1 1 2
		[[ $output = "conn-lookup: --netns '$bad' is "* ]]
	done
}

@test "conn-lookup (container: PID, network and mount namespaces of its own) names the process as the host sees it" {
	PORT=23554
	WAYS_LISTEN=1 start client unshare -fpnm --mount-proc sh -ec 'ip link set lo up
		exec "$@"' - "$WAYS" bound 23560 127.0.0.1 "$PORT"
	# What it calls itself is a number of its own namespace.
	[ "$(client_pid)" -lt 50 ]
	inside=$(client_pid)
	answer tcp 127.0.0.1 --netns any
	pid=$("$HELPERS/conn-lookup" -q --netns any 127.0.0.1 "$(client_port)" "$PORT")
	FIRST="$pid $(client_port)"
	holds 'a["pid"] == p and a["status"] == "live" and a["comm"] == "ways"'
	holds 'a["netns"] == os.stat("/proc/%d/ns/net" % p).st_ino != os.stat("/proc/self/ns/net").st_ino'
	grep -qE "^NSpid:.$pid.$inside\$" "/proc/$pid/status"
}

# --- ways to connect and to send ------------------------------------------------

@test "conn-lookup (TCP Fast Open, immediate and deferred) names the process" {
	for way in fastopen fastopen-later; do
		PORT=23557
		# 0x607: both sides do it, for any listener, without a cookie.
		WAYS_LISTEN=1 start client unshare -n sh -ec 'ip link set lo up
			echo 1543 >/proc/sys/net/ipv4/tcp_fastopen
			exec "$@"' - "$WAYS" "$way" 127.0.0.1 "$PORT"
		# The data went with the SYN.
		[ "$(nsenter -t "$PID" -n nstat -asz TcpExtTCPFastOpenActive | awk '/Active/ { print $2 }')" -eq 1 ]
		answer tcp 127.0.0.1 --netns "$PID"
		holds 'a["pid"] == p and a["status"] == "live" and a["comm"] == "ways"'
		stop_all
	done
}

@test "conn-lookup (io_uring: connect, and a datagram) names the process" {
	connects uring-connect
	sends uring-send
}

@test "conn-lookup (io_uring: UDP connect) names the process, where fexit sees it" {
	requires fentry
	sends uring-udp-connect
}

@test "conn-lookup (sendmmsg) names the process for each destination" {
	sends sendmmsg
	PORT=$((PORT + 1))
	answer udp 127.0.0.1
	holds 'a["pid"] == p'
}

@test "conn-lookup (UDP segmentation offload) names the process" {
	sends gso
}

# follows_sender WAY: the first of its two lines is the one who sends first.
follows_sender() {
	PORT=23555
	start client "$WAYS" "$1" 127.0.0.1 "$PORT"
	first=$FIRST
	answer udp 127.0.0.1
	holds 'a["pid"] == p and a["status"] == "live"'
	# shellcheck disable=SC2154 # start sets it
	echo >&"$fd"
	poll grep -qv "^$first\$" "$BATS_TEST_TMPDIR/client.out"
	FIRST=$(grep -v "^$first\$" "$BATS_TEST_TMPDIR/client.out")
	[ "${FIRST#* }" = "${first#* }" ]
	[ "${FIRST% *}" != "${first% *}" ]
	answer udp 127.0.0.1
	holds 'a["pid"] == p and a["status"] == "live"'
	stop_all
}

@test "conn-lookup (UDP socket inherited by fork, passed over SCM_RIGHTS) follows the sender" {
	follows_sender fork
	follows_sender pass
}

@test "a UDP sender that repeats (10,000 datagrams) writes one entry" {
	before=$(recorded)
	"$TRAFFIC" send 127.0.0.1 23556 10000 </dev/null
	after=$(recorded)
	echo "$before $after"
	# Others on this host may connect meanwhile.
	[ "$after" -gt "$before" ]
	[ "$after" -lt $((before + 100)) ]
}

# Entries written: the first four numbers of struct tracker_metrics, on all CPUs.
recorded() {
	bpftool -j map dump pinned "$PIN_DIR/maps/tracker_metrics" | /usr/bin/python3 -c '
import json, struct, sys
cpus = [bytes(int(b, 16) for b in v["value"]) for v in json.load(sys.stdin)[0]["values"]]
print(sum(sum(struct.unpack("=4Q", c[:32])) for c in cpus))'
}

# --- everything at once ---------------------------------------------------------

# How often the kernel skipped both programs that record UDP connects, at the most: see
# bpf/udp_connect_split.bpf.c.
skipped_udp_connects() {
	local pin counts
	[ -e "$PIN_DIR/udp_connect/on_spare_udp4" ] || {
		echo 0
		return
	}
	for pin in "$PIN_DIR"/udp_connect/on_{udp_connect,spare_udp}4; do
		bpftool prog show pinned "$pin" | sed -n '1s/.*recursion_misses \([0-9]*\).*/\1/p'
	done >"$BATS_TEST_TMPDIR/skipped"
	counts=$(wc -l <"$BATS_TEST_TMPDIR/skipped")
	# bpftool names those alone that skipped something.
	[ "$counts" -eq 2 ] || echo 0
	[ "$counts" -ne 2 ] || sort -n "$BATS_TEST_TMPDIR/skipped" | head -n 1
}

@test "conn-lookup - (5,000 connections of 50 processes) never names the wrong one, and misses none" {
	start mix "$WAYS" mix 50 5000
	poll grep -qx 'done' "$BATS_TEST_TMPDIR/mix.out"
	grep -v 'done' "$BATS_TEST_TMPDIR/mix.out" | sort -u >"$BATS_TEST_TMPDIR/made"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/made")" -gt 4900 ]
	cut -d ' ' -f 1-4 "$BATS_TEST_TMPDIR/made" >"$BATS_TEST_TMPDIR/questions"
	"$HELPERS/conn-lookup" - <"$BATS_TEST_TMPDIR/questions" >"$BATS_TEST_TMPDIR/answers"
	# Unprivileged it may not map the table, and the answers are the same.
	setpriv --reuid 65534 --regid connpin --clear-groups "$HELPERS/conn-lookup" - \
		<"$BATS_TEST_TMPDIR/questions" >"$BATS_TEST_TMPDIR/unprivileged"
	# Lines of another form take another way.
	sed 's/ /  /g' "$BATS_TEST_TMPDIR/questions" | "$HELPERS/conn-lookup" - \
		>"$BATS_TEST_TMPDIR/spaced"
	cmp <(sed 's/"age_seconds":[0-9]*//' "$BATS_TEST_TMPDIR/answers") \
		<(sed 's/"age_seconds":[0-9]*//' "$BATS_TEST_TMPDIR/spaced")
	/usr/bin/python3 "$TREE/test/compare_answers.py" --misses "$(skipped_udp_connects)" \
		"$BATS_TEST_TMPDIR"/{made,answers,unprivileged}
}

# --- conn-list -------------------------------------------------------------------

@test "conn-list -f prints each new connection once, as it appears, and no old one" {
	start_server 127.0.0.1
	start old "$TRAFFIC" connect 127.0.0.1 "$PORT"
	"$HELPERS/conn-list" -f --dst-port "$PORT" >"$BATS_TEST_TMPDIR/f" 3>&- &
	STARTED="$STARTED $!"
	"$HELPERS/conn-list" -f -j --comm ways 3>&- >"$BATS_TEST_TMPDIR/fj" &
	STARTED="$STARTED $!"
	setpriv --reuid 65534 --regid connpin --clear-groups "$HELPERS/conn-list" -f --dst-port "$PORT" \
		3>&- >"$BATS_TEST_TMPDIR/fu" &
	STARTED="$STARTED $!"
	sleep 0.5
	for name in one two three; do
		start $name "$TRAFFIC" connect 127.0.0.1 "$PORT"
		echo "tcp 127.0.0.1 $(client_port) $PORT $PID live traffic" >>"$BATS_TEST_TMPDIR/want"
	done
	start way "$WAYS" thread 127.0.0.1 "$PORT"
	FIRST=${FIRST% *}
	echo "tcp 127.0.0.1 $(client_port) $PORT $PID live ways" >>"$BATS_TEST_TMPDIR/want"
	for list in f fu; do
		poll cmp -s "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/$list"
	done
	poll grep -q . "$BATS_TEST_TMPDIR/fj"
	ANSWER=$(cat "$BATS_TEST_TMPDIR/fj")
	holds 'a["pid"] == p and a["comm"] == "ways" and a["status"] == "live"'
	# And nothing more.
	sleep 0.5
	cmp "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/f"
}

@test "conn-list (a DNS proxy that knows the source port alone) finds the owner" {
	start client "$TRAFFIC" udp-connect 127.0.0.1 53 send
	run -0 "$HELPERS/conn-list" -p udp --src-port "$(client_port)"
	echo "$output"
	# One of the thousands of dead processes above may have had the port before.
	[ "$(grep ' live ' <<<"$output")" = "udp 127.0.0.1 $(client_port) 53 $PID live traffic" ]
}

@test "conn-list (--comm, -f with -w) takes whole names, and refuses both at once" {
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	run -0 "$HELPERS/conn-list" --comm traffic --dst-port "$PORT"
	[ "$output" = "tcp 127.0.0.1 $(client_port) $PORT $PID live traffic" ]
	run -0 "$HELPERS/conn-list" --comm traf
	[ -z "$output" ]
	run -2 "$HELPERS/conn-list" -f -w 1
	[[ $output = *"-f and -w exclude each other"* ]]
}

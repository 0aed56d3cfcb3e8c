#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Sockets that are neither TCP nor UDP: who made them, and whether they are held.

load helper

NEIGHBOURS=/sys/fs/bpf/${PIN_DIR##*/}_neighbours

setup_file() {
	attach
}

teardown_file() {
	detach
}

teardown() {
	stop_all
}

# hold KIND [4|6 [COUNT]]: a process with such a socket; its number in INODE.
hold() {
	start "held-$1" "$TRAFFIC" hold-socket "$1" "${2-4}" "${3-1}"
	INODE=${FIRST#* }
}

# of_socket INODE: its line of conn-list --sockets -j.
of_socket() {
	"$HELPERS/conn-list" --sockets -j | grep "\"inode\":$1,"
}

# says INODE TEXT...: its line has each.
says() {
	local line text
	line=$(of_socket "$1")
	shift
	for text; do
		case $line in
		*"$text"*) ;;
		*)
			printf 'no %s in\n%s\n' "$text" "$line"
			return 1
			;;
		esac
	done
}

# known KIND PROTOCOL FAMILY: its line has all that is to be known.
known() {
	says "$INODE" "\"kind\":\"$1\",\"protocol\":$2,\"family\":$3,\"pid\":$PID,\"status\":\"live\",\"comm\":\"traffic\"" \
		"\"uid\":0,\"gid\":0," '"held":true}'
	of_socket "$INODE" | grep -q '"age_seconds":[0-9]'
}

@test "conn-list --sockets names who made a raw socket, of ICMP and of a protocol of its own" {
	hold raw
	known raw 1 2
	"$HELPERS/conn-list" --sockets | grep -qx "raw 1 $PID live held traffic"
	hold raw-own 6
	known raw 253 10
}

@test "conn-list --sockets names who made a ping socket, without privileges" {
	start held-ping unshare -n sh -c 'echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$0" hold-socket ping 4' "$TRAFFIC"
	INODE=${FIRST#* }
	says "$INODE" "\"kind\":\"icmp\",\"protocol\":1,\"family\":2,\"pid\":$PID," '"uid":65534,"gid":65534,' \
		"\"netns\":$(stat -L -c %i "/proc/$PID/ns/net")," '"held":true}'
}

@test "conn-list --sockets names who made an SCTP socket" {
	requires sctp
	hold sctp
	known sctp 132 2
}

@test "conn-list --sockets names who made a packet socket" {
	hold packet
	known packet 2054 17
	grep -q " $INODE *$" /proc/net/packet
}

@test "conn-list --sockets names who made a packet socket in the old way, as one of AF_INET" {
	hold packet-old
	known packet 2054 17
}

@test "conn-list --sockets names who made a vsock socket" {
	requires vsock
	hold vsock
	known vsock 0 40
}

@test "conn-list --sockets names who made an AF_XDP socket" {
	requires xdp
	hold xdp
	known xdp 0 44
}

@test "attach.sh (fexit taken) sees sockets of all families by it" {
	requires fentry
	"$SCRIPTS/status.sh" | grep -q '^other_families  *on  *fexit/__sock_create '
}

@test "conn-list --sockets shows none of TCP, UDP, MPTCP and AF_UNIX" {
	local kind
	for kind in tcp udp unix; do
		hold $kind
		run -1 of_socket "$INODE"
	done
	if has mptcp; then
		hold mptcp
		run -1 of_socket "$INODE"
	fi
}

@test "conn-list --sockets (closed) says so, of each kind, and the process that has ended" {
	local kind inodes=
	for kind in raw packet; do
		hold $kind
		inodes="$inodes $INODE"
	done
	stop_all
	for INODE in $inodes; do
		says "$INODE" '"status":"exited"' '"held":false}'
	done
}

@test "conn-list --sockets (its maker ended, a child has it) says exited and held" {
	start maker /usr/bin/python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
print(os.getpid(), os.fstat(s.fileno()).st_ino, flush=True)
if os.fork() == 0:
    sys.stdin.read()'
	INODE=${FIRST#* }
	wait "$PID" || true
	says "$INODE" "\"pid\":$PID,\"status\":\"exited\"" '"held":true}'
}

@test "attach.sh (sockets open before) names who has them, without an age" {
	detach
	hold packet
	local packet=$INODE packet_pid=$PID
	hold raw-own 6
	attach
	says "$packet" "\"kind\":\"packet\",\"protocol\":2054,\"family\":17,\"pid\":$packet_pid,\"status\":\"live\"" \
		'"age_seconds":null,"held":true}'
	says "$INODE" "\"kind\":\"raw\",\"protocol\":253,\"family\":10,\"pid\":$PID," '"age_seconds":null,"held":true}'
}

@test "attach.sh again keeps what is known" {
	hold packet
	attach
	known packet 2054 17
}

@test "connpin_other_sockets_made_total counts by kind" {
	local before
	before=$(metric 'connpin_other_sockets_made_total{kind="raw"}')
	hold raw 4 5
	[ "$(metric 'connpin_other_sockets_made_total{kind="raw"}')" -ge $((before + 5)) ]
	before=$(metric 'connpin_other_sockets_made_total{kind="packet"}')
	hold packet 4 3
	[ "$(metric 'connpin_other_sockets_made_total{kind="packet"}')" -ge $((before + 3)) ]
}

@test "conn-list --sockets: -j, --pid and --comm go with it, what connections have does not" {
	hold raw
	[ "$("$HELPERS/conn-list" --sockets --pid "$PID")" = "raw 1 $PID live held traffic" ]
	"$HELPERS/conn-list" --sockets --comm traffic | grep -q "^raw 1 $PID "
	[ -z "$("$HELPERS/conn-list" --sockets --comm nobody)" ]
	local options
	for options in -f "-p tcp" "--dst 127.0.0.1" "--src-port 1" "--dst-port 1" --out --in --listen --open --closed; do
		# shellcheck disable=SC2086 # words
		run -2 "$HELPERS/conn-list" --sockets $options
		[ "$output" = "conn-list: --sockets goes with -j, -w, --pid and --comm alone: see conn-list --help" ]
	done
}

@test "GET /cgi-bin/list?sockets=1 shows a user the own sockets, root all" {
	hold raw
	start held-ping unshare -n sh -c 'echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$0" hold-socket ping 4' "$TRAFFIC"
	local own=${FIRST#* }
	"$SCRIPTS/serve.sh" -b >"$BATS_TEST_TMPDIR/serve.log" 2>&1 3>&- || {
		cat "$BATS_TEST_TMPDIR/serve.log"
		return 1
	}
	curl -sf "http://$LISTEN/cgi-bin/list?sockets=1" >"$BATS_TEST_TMPDIR/all"
	setpriv --reuid 65534 --regid 65534 --clear-groups curl -sf "http://$LISTEN/cgi-bin/list?sockets=1" >"$BATS_TEST_TMPDIR/own"
	[ "$(curl -s -o /dev/null -w '%{http_code}' "http://$LISTEN/cgi-bin/list?sockets=1&dport=1")" = 400 ]
	"$SCRIPTS/serve.sh" -k
	grep -q "\"inode\":$INODE,.*\"held\":true" "$BATS_TEST_TMPDIR/all"
	grep -q "\"inode\":$own,.*\"held\":true" "$BATS_TEST_TMPDIR/all"
	grep -q "\"inode\":$own,.*\"held\":true" "$BATS_TEST_TMPDIR/own"
	no_line "\"inode\":$INODE," cat "$BATS_TEST_TMPDIR/own"
}

@test "conn-list --sockets (the link can't be read) does not know what is held" {
	hold raw
	local link=$PIN_DIR/links/on_read_held
	mv "$link" "${link}_away"
	says "$INODE" '"held":null}'
	"$HELPERS/conn-list" --sockets | grep -qx "raw 1 $PID live - traffic"
	mv "${link}_away" "$link"
	says "$INODE" '"held":true}'
}

@test "one user's sockets do not push out another's" {
	local packet packet_pid line
	hold packet
	packet=$INODE packet_pid=$PID
	# More than there is room for; one of ten stays open until the last is made.
	unshare -n sh -c 'echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
		ulimit -n 4096
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$0" make-sockets ping 4 20000 10' "$TRAFFIC"
	says "$packet" "\"pid\":$packet_pid,\"status\":\"live\"" '"held":true}'
	[ "$(metric connpin_other_sockets_evicted_total)" -gt 0 ]
	# Nor do they keep another's out.
	hold raw
	known raw 1 2
}

@test "attach.sh (a neighbour shuts us out of sock_create) costs this alone" {
	detach
	bpftool prog loadall "$TREE/.output/test/socket_neighbour.bpf.o" "$NEIGHBOURS" 2>/dev/null
	bpftool cgroup attach "$CGROUP_ROOT" sock_create pinned "$NEIGHBOURS/allow_socket"
	run "$SCRIPTS/attach.sh"
	local attached=$status
	"$SCRIPTS/status.sh" >"$BATS_TEST_TMPDIR/status" || true
	hold packet
	local packet=$INODE packet_pid=$PID
	says "$packet" "\"pid\":$packet_pid,"
	no_line 'kind="(raw|icmp|smc|other)"' "$HELPERS/tcp-metrics"
	"$HELPERS/tcp-metrics" | grep -q '^connpin_other_sockets_made_total{kind="packet"}'
	bpftool cgroup detach "$CGROUP_ROOT" sock_create pinned "$NEIGHBOURS/allow_socket"
	rm -r "$NEIGHBOURS"
	[ "$attached" -eq 0 ]
	grep -A 1 '^other_ip  *off' "$BATS_TEST_TMPDIR/status" | grep -q '(allow_socket) is attached without multi'
	no_line '^(tcp_opens|udp_sends_v4|other_families|held_other|older_other) +off' cat "$BATS_TEST_TMPDIR/status"
	attach
	"$SCRIPTS/status.sh" | grep -q '^other_ip  *on'
}

@test "the IPv6 block and the record of sockets go together; a refused socket is not held" {
	"$SCRIPTS/ipv6-block.sh" on >/dev/null 2>&1
	hold raw 4
	known raw 1 2
	[ "$("$TRAFFIC" try-socket raw-own 6)" = "Operation not permitted" ]
	"$HELPERS/conn-list" --sockets -j >"$BATS_TEST_TMPDIR/list"
	"$SCRIPTS/ipv6-block.sh" off >/dev/null 2>&1
	no_line '"protocol":253,"family":10,.*"held":(true|null)' cat "$BATS_TEST_TMPDIR/list"
	detach
	attach
}

@test "OTHER_SOCKETS=0 attaches no program for them" {
	detach
	OTHER_SOCKETS=0 "$SCRIPTS/attach.sh" >/dev/null 2>&1
	local programs
	# The counts are what program_stats knows such programs by.
	programs=$(find "$PIN_DIR" -name 'other*' ! -name other_socket_counts)
	run -3 "$HELPERS/conn-list" --sockets
	no_line connpin_other_sockets "$HELPERS/tcp-metrics"
	unknown=$output
	run "$SCRIPTS/status.sh"
	left_out=$status:$output
	detach
	attach
	run "$SCRIPTS/status.sh"
	[ -z "$programs" ]
	[[ $unknown = *"are not recorded here: scripts/status.sh says why" ]]
	# A choice, not a lack: the exit status is what it is without.
	[[ $left_out = "$status":*"the setting OTHER_SOCKETS is 0"* ]]
}

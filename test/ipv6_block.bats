#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The IPv6 block: on and off, TCP and UDP, before and after the tracker.

load helper

teardown() {
	stop_all
	detach
}

block() {
	"$SCRIPTS/ipv6-block.sh" "$1" >"$BATS_TEST_TMPDIR/block.log" 2>&1 || {
		cat "$BATS_TEST_TMPDIR/block.log"
		return 1
	}
}

try() {
	"$TRAFFIC" try "$@"
}

@test "ipv6-block.sh on (nothing attached) loads and attaches the blocker alone" {
	run -1 "$SCRIPTS/ipv6-block.sh" status
	block on
	run -0 "$SCRIPTS/ipv6-block.sh" status
	[ "${lines[0]}" = "native IPv6: refused" ]
	[ "${lines[1]}" = "not stopped: what was open before; packet sockets (AF_PACKET)" ]
	[ ! -e "$PIN_DIR/port_tracker" ]
	[ -e "$PIN_DIR/ipv6_blocker/block_connect6" ]
	[ -e "$PIN_DIR/ipv6_blocker/block_sendmsg6" ]
	[ -e "$PIN_DIR/ipv6_blocker/block_sock_create" ]
}

@test "ipv6-block.sh on refuses TCP and UDP to native IPv6, off lets them pass" {
	start_server ::1
	block on
	[ "$(try connect ::1 "$PORT")" = "Operation not permitted" ]
	[ "$(try send ::1 "$PORT")" = "Operation not permitted" ]
	block off
	[ "$(try connect ::1 "$PORT")" = ok ]
	[ "$(try send ::1 "$PORT")" = ok ]
	run -1 "$SCRIPTS/ipv6-block.sh" status
	[ "$output" = "native IPv6: passes" ]
}

# In a namespace where everyone may have ping sockets.
try_socket() {
	unshare -n sh -c 'echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
		exec "$0" try-socket "$1" "$2"' "$TRAFFIC" "$1" "$2"
}

@test "ipv6-block.sh on refuses raw, ping and UDP-Lite IPv6 sockets, off lets them pass, IPv4 ones pass" {
	kinds="raw ping"
	# Linux 7.3 has no UDP-Lite any more.
	[ "$(try_socket udplite 4)" != ok ] || kinds="$kinds udplite"
	block on
	for kind in $kinds; do
		[ "$(try_socket "$kind" 6)" = "Operation not permitted" ]
		[ "$(try_socket "$kind" 4)" = ok ]
	done
	# Of these the connects and datagrams are looked at.
	for kind in tcp udp; do
		[ "$(try_socket "$kind" 6)" = ok ]
	done
	block off
	for kind in $kinds; do
		[ "$(try_socket "$kind" 6)" = ok ]
	done
}

@test "ipv6-block.sh on lets MPTCP sockets be made, whose connects are looked at" {
	requires mptcp
	block on
	[ "$(try_socket mptcp 6)" = ok ]
}

@test "ipv6-block.sh on lets IPv4 and IPv4-mapped pass" {
	start_server 127.0.0.1
	block on
	for address in 127.0.0.1 ::ffff:127.0.0.1; do
		[ "$(try connect "$address" "$PORT")" = ok ]
		[ "$(try send "$address" "$PORT")" = ok ]
	done
}

@test "ipv6-block.sh on, on and off, off are idempotent" {
	block on
	before=$(bpf_inventory)
	block on
	unchanged_since "$before"
	block off
	block off
	run -1 "$SCRIPTS/ipv6-block.sh" status
}

# What is recorded of refused traffic, in both orders of attachment: every program
# of a hook runs whatever the others decide, so the datagram is recorded; sock_ops
# comes after connect6, so the connect is not.
refused_traffic_is_recorded_as_documented() {
	no_line '::1 [0-9]+ 9191 ' "$HELPERS/conn-list"
	[ "$(try connect ::1 9191)" = "Operation not permitted" ]
	[ "$(try send ::1 9191)" = "Operation not permitted" ]
	no_line '^tcp ::1 [0-9]+ 9191 ' "$HELPERS/conn-list"
	"$HELPERS/conn-list" | grep -q '^udp ::1 [0-9]* 9191 '
}

@test "blocker attached before the tracker: a refused datagram is recorded, a refused connect not" {
	block on
	attach
	refused_traffic_is_recorded_as_documented
}

@test "blocker attached after the tracker: a refused datagram is recorded, a refused connect not" {
	attach
	block on
	refused_traffic_is_recorded_as_documented
}

@test "ipv6-block.sh (bad word) says what is possible and exits 2" {
	run -2 "$SCRIPTS/ipv6-block.sh" maybe
	[[ ${lines[0]} = "ipv6-block.sh: on, off or status, not 'maybe'" ]]
	run -2 "$SCRIPTS/ipv6-block.sh"
}

@test "ipv6-block.sh on counts what it refuses" {
	attach
	block on
	start_server 127.0.0.1
	[ "$(metric connpin_ipv6_refused_total)" -eq 0 ]
	[ "$(try connect ::1 "$PORT")" = "Operation not permitted" ]
	[ "$(try send ::1 "$PORT")" = "Operation not permitted" ]
	[ "$(try_socket raw 6)" = "Operation not permitted" ]
	[ "$(try connect ::ffff:127.0.0.1 "$PORT")" = ok ]
	[ "$(metric connpin_ipv6_refused_total)" -eq 3 ]
}

@test "attach.sh again (blocker on) keeps it on" {
	block on
	attach
	run -0 "$SCRIPTS/ipv6-block.sh" status
}

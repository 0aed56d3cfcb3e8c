#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What must work on the oldest kernel that is supported and under any lockdown: who opened
# a TCP connection or sent a datagram, by process id; the five counters; the IPv6 block.

load helper

setup() {
	BEFORE=$(inventory_before)
}

teardown() {
	stop_all
	detach
	unchanged_since "$BEFORE"
}

# owner PROTOCOL DST: of the client that was started last.
owner() {
	"$HELPERS/conn-lookup" -q -p "$1" "$2" "$(client_port)" "$PORT"
}

@test "attach.sh (the core) attaches the tracker and names what is degraded or off" {
	run -0 "$SCRIPTS/attach.sh"
	run "$SCRIPTS/status.sh"
	echo "$output"
	[ "$status" -le 1 ]
	for feature in tcp_opens udp_sends_v4 udp_sends_v6; do
		[[ $output =~ $feature\ +(on|degraded) ]]
	done
	# What is not on says why, in the line below it.
	awk '/ (degraded|off) / { getline; if ($0 !~ /^ /) { print "no reason: " $0; exit 1 } }' <<<"$output"
}

@test "conn-lookup (the core: TCP over IPv4, IPv6 and mapped) names the process that connected" {
	attach
	for address in 127.0.0.1 ::1 ::ffff:127.0.0.1; do
		start_server "${address#::ffff:}" "${address//[.:]/_}"
		start "client${address//[.:]/_}" "$TRAFFIC" connect "$address" "$PORT"
		run -0 owner tcp "$address"
		[ "$output" = "$PID" ]
	done
}

@test "conn-lookup (the core: UDP over IPv4, IPv6 and mapped) names the process that sent" {
	attach
	PORT=23543
	for address in 127.0.0.1 ::1 ::ffff:127.0.0.1; do
		start "client${address//[.:]/_}" "$TRAFFIC" send "$address" "$PORT"
		run -0 owner udp "$address"
		[ "$output" = "$PID" ]
	done
}

@test "conn-lookup (the core) answers in each form and says what it does not know" {
	attach
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	run -0 "$HELPERS/conn-lookup" -j 127.0.0.1 "$(client_port)" "$PORT"
	[[ $output = "{\"pid\":$PID,\"protocol\":\"tcp\","* ]]
	run -0 --separate-stderr "$HELPERS/conn-lookup" - <<<"tcp 127.0.0.1 $(client_port) $PORT"
	[[ $output = "{\"pid\":$PID,"* ]]
	run -0 "$HELPERS/conn-list"
	[[ $output = *"tcp 127.0.0.1 $(client_port) $PORT $PID "* ]]
	run -1 "$HELPERS/conn-lookup" -q 127.0.0.1 1 1
}

@test "tcp-metrics (the core) counts opened, accepted and failed connections and resets" {
	attach
	for name in active passive; do
		eval "$name=$(metric "tcp_${name}_connections_total")"
	done
	failed=$(metric tcp_failed_connections_total)
	sent=$(metric tcp_resets_sent_total)
	received=$(metric tcp_resets_received_total)
	run -0 "$TRAFFIC" open 20
	run -0 "$TRAFFIC" refuse 20
	# shellcheck disable=SC2154 # by eval
	[ $(($(metric tcp_active_connections_total) - active)) -ge 20 ]
	# shellcheck disable=SC2154
	[ $(($(metric tcp_passive_connections_total) - passive)) -ge 20 ]
	[ $(($(metric tcp_failed_connections_total) - failed)) -ge 20 ]
	[ $(($(metric tcp_resets_received_total) - received)) -ge 20 ]
	# Where fentry is refused and the kernel is older than 6.10, those for closed ports are
	# not seen; those that a socket sends are.
	if ! "$SCRIPTS/status.sh" | grep -q 'resets_sent *degraded'; then
		[ $(($(metric tcp_resets_sent_total) - sent)) -ge 20 ]
	fi
}

@test "ipv6-block.sh (the core) refuses native IPv6, and lets IPv4 and mapped pass" {
	attach
	"$SCRIPTS/ipv6-block.sh" on
	run ! "$TRAFFIC" send ::1 23544 </dev/null
	start mapped "$TRAFFIC" send ::ffff:127.0.0.1 23544
	start plain "$TRAFFIC" send 127.0.0.1 23544
	"$SCRIPTS/ipv6-block.sh" off
	start native "$TRAFFIC" send ::1 23544
}

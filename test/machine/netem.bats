#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A network made worse with netem, which the host's kernel need not have: the times and
# retransmissions that are counted are those that were configured.
#
# On loopback each way is delayed: a round trip takes twice the delay.

load ../helper

setup_file() {
	attach
}

teardown_file() {
	detach
}

# netem OPTIONS TRAFFIC...: run it in a namespace whose loopback is that bad; the metrics
# before and after, and the kernel's counters.
netem() {
	local options=$1
	shift
	"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/before"
	# shellcheck disable=SC2086 # words
	unshare -n sh -ec 'options=$1; shift
		ip link set lo up
		tc qdisc add dev lo root netem $options
		"$@" >&2
		sleep 1
		cat /proc/net/snmp' sh "$options" "$TRAFFIC" "$@" >"$BATS_TEST_TMPDIR/snmp"
	"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/after"
}

# counted NAME: how much more it is; with a factor, of a sum in seconds.
counted() {
	awk -v name="$1" -v factor="${2-1}" '$1 == name { n = $2 * factor - n } END { printf "%.0f\n", n }' \
		"$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

bucket() {
	counted "$1_bucket{le=\"$2\"}"
}

@test "histograms (a delay of 300 ms each way) show a round trip of 600 ms" {
	netem 'delay 300ms' open 5
	[ "$(counted tcp_connect_duration_seconds_count)" -eq 5 ]
	# None is faster than the network; an emulated machine may be late by some 100 ms.
	[ "$(bucket tcp_connect_duration_seconds 0.5)" -eq 0 ]
	[ "$(bucket tcp_connect_duration_seconds 1.0)" -eq 5 ]
	[ "$(counted tcp_connect_duration_seconds_sum 1000)" -ge 3000 ]
	[ "$(counted tcp_connect_duration_seconds_sum 1000)" -le 5000 ]
	[ "$(counted tcp_round_trip_seconds_count)" -ge 5 ]
	[ "$(bucket tcp_round_trip_seconds 0.5)" -eq 0 ]
	[ "$(bucket tcp_round_trip_seconds 1.0)" -eq "$(counted tcp_round_trip_seconds_count)" ]
	[ "$(counted tcp_retransmitted_segments_total)" -eq "$(snmp Tcp RetransSegs "$BATS_TEST_TMPDIR/snmp")" ]
}

@test "retransmissions (every packet has one chance in five to be lost) are those of snmp" {
	netem 'loss 20%' carry 10 30000
	[ "$(snmp Tcp RetransSegs "$BATS_TEST_TMPDIR/snmp")" -gt 0 ]
	[ "$(counted tcp_retransmitted_segments_total)" -eq "$(snmp Tcp RetransSegs "$BATS_TEST_TMPDIR/snmp")" ]
	# Each byte once, however often it was sent.
	[ "$(counted tcp_sent_bytes_total)" -eq 900000 ]
	[ "$(counted tcp_received_bytes_total)" -eq 900000 ]
}

@test "bytes (a quarter of the packets out of order) are counted once" {
	netem 'delay 5ms reorder 75% 50%' carry 10 30000
	[ "$(counted tcp_sent_bytes_total)" -eq 900000 ]
	[ "$(counted tcp_received_bytes_total)" -eq 900000 ]
	[ "$(counted tcp_retransmitted_segments_total)" -eq "$(snmp Tcp RetransSegs "$BATS_TEST_TMPDIR/snmp")" ]
}

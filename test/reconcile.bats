#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The metrics beside the kernel's own accounting, case by case, to the last count.
#
# Each case runs in a network namespace of its own, whose counters start at 0. Where
# the two count different things by definition the rule is in reconciles(); nothing is
# compared with a tolerance. A window in which the rest of the host did anything is
# thrown away.

load helper

setup_file() {
	attach
}

teardown_file() {
	detach
}

elsewhere() {
	awk '$1 == "Tcp:"' /proc/net/snmp | cut -d ' ' -f 6-9,13,15
}

# What connpin counted, by metric with its labels, and the kernel, by name.
declare -gA COUNTED SNMP

# read_metrics SIGN: add them to COUNTED, times 1 or -1.
read_metrics() {
	local name value was
	while read -r name value; do
		was=${COUNTED[$name]-0}
		COUNTED[$name]=$((was + $1 * value))
	done < <("$HELPERS/tcp-metrics" | grep '^tcp_[a-z_]*\(_total\|_count\|_bucket\)[ {]')
}

read_snmp() {
	local names values i
	while read -ra names && read -ra values; do
		for ((i = 1; i < ${#names[@]}; i++)); do
			SNMP[${names[i]}]=${values[i]}
		done
	done < <(grep -a '^Tcp\(Ext\)*:' "$BATS_TEST_TMPDIR/snmp")
}

# window SCRIPT [ARGUMENT...]: run it in a fresh network namespace; fill in COUNTED
# and SNMP with what happened meanwhile.
window() {
	local rest tries=20
	while :; do
		rest=$(elsewhere)
		COUNTED=() SNMP=()
		read_metrics -1
		unshare -n sh -ec 'ip link set lo up
			eval "$1" >&2
			cat /proc/net/snmp /proc/net/netstat' sh "$1" >"$BATS_TEST_TMPDIR/snmp" 3>&- || return 1
		read_metrics 1
		read_snmp
		[ "$rest" != "$(elsewhere)" ] || break
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
	# For whoever reads the log of a failure.
	local name
	for name in "${!COUNTED[@]}"; do
		[ "${COUNTED[$name]}" -eq 0 ] || echo "$name ${COUNTED[$name]}"
	done | grep -v _bucket | sort
	for name in ActiveOpens PassiveOpens AttemptFails OutRsts RetransSegs; do
		echo "snmp $name ${SNMP[$name]}"
	done
}

counted() {
	echo "${COUNTED[$1]}"
}

failures() {
	echo "${COUNTED["tcp_connection_failures_total{reason=\"$1\"}"]}"
}

family_of() {
	echo "${COUNTED["tcp_family_$1_connections_total{family=\"$2\"}"]}"
}

# counts ACTIVE PASSIVE FAILED
counts() {
	[ "$(counted tcp_active_connections_total)" -eq "$1" ]
	[ "$(counted tcp_passive_connections_total)" -eq "$2" ]
	[ "$(counted tcp_failed_connections_total)" -eq "$3" ]
}

# reconciles [SIMULTANEOUS [HALF_OPEN]]: the kernel's counters follow from ours.
reconciles() {
	local simultaneous=${1-0} half_open=${2-0} sum=0 name
	# An attempt is an ActiveOpen when its SYN is sent, whatever comes of it.
	[ "${SNMP[ActiveOpens]}" -eq $(($(counted tcp_active_connections_total) + \
		$(counted tcp_failed_connections_total) - $(failures local) + simultaneous)) ]
	# Who opens from both sides is passive by its state changes, not for the kernel.
	[ "${SNMP[PassiveOpens]}" -eq $(($(counted tcp_passive_connections_total) - simultaneous)) ]
	# What this host gave up itself is no AttemptFail; a half-open request that was
	# reset is one, and has no socket that could change its state.
	[ "${SNMP[AttemptFails]}" -eq $(($(counted tcp_failed_connections_total) - \
		$(failures aborted) - $(failures local) + half_open)) ]
	[ "${SNMP[OutRsts]}" -eq "$(counted tcp_resets_sent_total)" ]
	[ "${SNMP[RetransSegs]}" -eq "$(counted tcp_retransmitted_segments_total)" ]
	# And the parts make the whole.
	for name in refused timeout unreachable aborted local other; do
		sum=$((sum + $(failures $name)))
	done
	[ "$sum" -eq "$(counted tcp_failed_connections_total)" ]
	for name in active passive failed; do
		[ $(($(family_of $name ipv4) + $(family_of $name ipv6))) -eq \
			"$(counted tcp_${name}_connections_total)" ]
	done
	# All that connected from here has a duration, but for a simultaneous open.
	[ "$(counted tcp_connect_duration_seconds_count)" -eq "$(counted tcp_active_connections_total)" ]
}

@test "connects (IPv4) are counted as ipv4" {
	window '"$TRAFFIC" open 20'
	counts 20 20 0
	reconciles
	[ "$(family_of active ipv4)" -eq 20 ]
	[ "$(family_of passive ipv4)" -eq 20 ]
	# Both ends have lasted and have a round-trip time.
	[ "$(counted tcp_connection_duration_seconds_count)" -eq 40 ]
	[ "$(counted tcp_round_trip_seconds_count)" -eq 40 ]
}

@test "connects (IPv6) are counted as ipv6" {
	window '"$TRAFFIC" open 20 ::1'
	counts 20 20 0
	reconciles
	[ "$(family_of active ipv6)" -eq 20 ]
	[ "$(family_of passive ipv6)" -eq 20 ]
}

@test "connects (IPv4-mapped) are counted as ipv4 at both ends" {
	window '"$TRAFFIC" open 20 ::ffff:127.0.0.1'
	counts 20 20 0
	reconciles
	[ "$(family_of active ipv4)" -eq 20 ]
	[ "$(family_of passive ipv4)" -eq 20 ]
}

@test "connects (syncookies) are counted as others" {
	window 'echo 2 >/proc/sys/net/ipv4/tcp_syncookies; "$TRAFFIC" open 20'
	counts 20 20 0
	reconciles
	[ "${SNMP[SyncookiesRecv]}" -eq 20 ]
}

@test "connects (Fast Open) are counted as others" {
	window 'echo 3 >/proc/sys/net/ipv4/tcp_fastopen; "$TRAFFIC" fastopen 5'
	counts 6 6 0
	reconciles
	[ "${SNMP[TCPFastOpenActive]}" -eq 5 ]
	[ "$(counted tcp_sent_bytes_total)" -eq 6 ]
	[ "$(counted tcp_received_bytes_total)" -eq 6 ]
}

@test "connects (MPTCP) are counted once, by their TCP connection" {
	window '"$TRAFFIC" mptcp 5'
	counts 5 5 0
	reconciles
}

@test "connects (refused) fail with reason refused" {
	window '"$TRAFFIC" refuse 20'
	counts 0 0 20
	reconciles
	[ "$(failures refused)" -eq 20 ]
	[ "$(family_of failed ipv4)" -eq 20 ]
}

@test "connects (never answered) fail with reason timeout" {
	window '"$TRAFFIC" unanswered 5'
	# One more filled the queue of the listener.
	counts 1 1 5
	reconciles
	[ "$(failures timeout)" -eq 5 ]
	# A SYN each was sent again.
	[ "$(counted tcp_retransmitted_segments_total)" -eq 5 ]
}

@test "connects (closed before the answer) fail with reason aborted" {
	window '"$TRAFFIC" abandoned 20'
	counts 1 1 20
	reconciles
	[ "$(failures aborted)" -eq 20 ]
}

@test "connects (address in use) fail with reason local" {
	window '"$TRAFFIC" taken 7'
	counts 1 1 7
	reconciles
	[ "$(failures local)" -eq 7 ]
}

@test "connects (host does not answer ARP) fail with reason unreachable" {
	window 'ip link add v0 type veth peer name v1
		ip addr add 192.0.2.1/24 dev v0
		ip link set v0 up && ip link set v1 up
		echo 1 >/proc/sys/net/ipv4/neigh/v0/mcast_solicit
		echo 100 >/proc/sys/net/ipv4/neigh/v0/retrans_time_ms
		"$TRAFFIC" unreachable 192.0.2.9 4'
	counts 0 0 4
	reconciles
	[ "$(failures unreachable)" -eq 4 ]
}

@test "connects (no route) are not counted, here or there" {
	window '"$TRAFFIC" no-route 5'
	counts 0 0 0
	reconciles
	[ "${SNMP[ActiveOpens]}" -eq 0 ]
}

@test "connects (to themselves) are simultaneous opens" {
	window '"$TRAFFIC" self 5'
	counts 0 5 0
	reconciles 5
}

@test "half-open requests (reset) are the kernel's failures, not a socket's" {
	window '"$TRAFFIC" half-open 5'
	counts 0 0 0
	reconciles 0 5
	[ "$(counted tcp_resets_received_total)" -eq 0 ]
	[ "$(counted tcp_resets_sent_total)" -eq 5 ]
}

@test "bytes of closed connections are those that the programs sent, each end its own" {
	window '"$TRAFFIC" carry 10 100000'
	counts 10 10 0
	reconciles
	[ "$(counted tcp_sent_bytes_total)" -eq 3000000 ]
	[ "$(counted tcp_received_bytes_total)" -eq 3000000 ]
	[ "$(counted 'tcp_direction_sent_bytes_total{direction="active"}')" -eq 1000000 ]
	[ "$(counted 'tcp_direction_sent_bytes_total{direction="passive"}')" -eq 2000000 ]
	[ "$(counted 'tcp_direction_received_bytes_total{direction="active"}')" -eq 2000000 ]
	[ "$(counted 'tcp_direction_received_bytes_total{direction="passive"}')" -eq 1000000 ]
}

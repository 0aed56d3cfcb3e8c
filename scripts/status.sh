#!/bin/sh
# SPDX-License-Identifier: MIT
#
# status.sh: what is attached, by which hook, since when, and what is missing.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$ROOT/scripts/lib.sh"
. "$ROOT/scripts/config.sh"
. "$ROOT/scripts/mounts.sh"
. "$ROOT/scripts/objects.sh"

usage() {
	cat <<-END
		usage: status.sh

		Print each feature with its hook and since when it is attached, then how full
		the maps are. A feature that this kernel serves by a second choice, or not at
		all, says why. Needs root.

		Exit status: 0 all on, 1 something is degraded or off, 2 misuse, 3 nothing is
		attached.
	END
}

DEGRADED=0
ATTACHED=0

line() {
	printf '%-16s %-9s %s\n' "$1" "$2" "$3"
}

loaded_at() {
	bpftool prog show pinned "$1" | sed -n 's/.*loaded_at \([^ ]*\).*/\1/p'
}

# What attach.sh wrote down about a feature.
reason() {
	[ ! -f "$RUN_DIR/degraded" ] || sed -n "s/^$1 //p" "$RUN_DIR/degraded"
}

# feature NAME HOOK OBJECT/PROGRAM [KEY]: KEY is the name in the degraded file.
feature() {
	feature_pin=$PIN_DIR/$3
	set_hook "${3##*/}"
	# shellcheck disable=SC2154 # set_hook sets it
	if [ "$hook" = tracing ]; then
		[ -e "$feature_pin" ] && [ -e "$PIN_DIR/links/${3##*/}" ]
	else
		is_attached "$feature_pin"
	fi || {
		line "$1" off "$2"
		feature_reason=$(reason "${4-none}")
		[ -z "$feature_reason" ] || line '' '' "$feature_reason"
		DEGRADED=1
		return 0
	}
	ATTACHED=1
	feature_reason=$(reason "${4-none}")
	if [ -n "$feature_reason" ]; then
		line "$1" degraded "$2 since $(loaded_at "$feature_pin")"
		line '' '' "$feature_reason"
		DEGRADED=1
	else
		line "$1" on "$2 since $(loaded_at "$feature_pin")"
	fi
}

# hook_taken LINK FENTRY TRACEPOINT: which it is, as the kernel tells of the link.
hook_taken() {
	case $(bpftool link show pinned "$PIN_DIR/links/$1" 2>/dev/null) in
	*trace_fentry*) echo "fentry/$2" ;;
	*) echo "tp_btf/$3" ;;
	esac
}

resets_hook() {
	if [ -d "$PIN_DIR/tcp_monitor_reset" ]; then
		echo "tp_btf/tcp_send_reset, fentry/tcp_v[46]_send_reset"
	else
		echo tp_btf/tcp_send_reset
	fi
}

features() {
	udp_connect_hook='fexit/ip[46]_datagram_connect'
	! grep -azqx udp_connect /sys/kernel/btf/vmlinux || udp_connect_hook='fexit/udp_connect, udpv6_connect'
	feature tcp_opens sock_ops port_tracker/handle_sockops
	feature udp_sends_v4 cgroup/sendmsg4 port_tracker/handle_sendmsg4
	feature udp_sends_v6 cgroup/sendmsg6 port_tracker/handle_sendmsg6
	if [ -e "$PIN_DIR/udp_connect/on_exit_connect" ]; then
		feature connected_udp tracepoint/sys_exit_connect udp_connect/on_exit_connect connected_udp
	else
		feature connected_udp "$udp_connect_hook" udp_connect/on_udp_connect4 connected_udp
	fi
	feature tcp_states "$(hook_taken on_set_state tcp_set_state inet_sock_set_state)" \
		tcp_monitor/on_set_state tcp_states
	feature resets_sent "$(resets_hook)" tcp_monitor/on_send_reset resets_sent
	feature resets_received "$(hook_taken on_receive_reset tcp_reset tcp_receive_reset)" \
		tcp_monitor/on_receive_reset resets_received
	# The block is a choice, not a lack.
	if [ -d "$PIN_DIR/ipv6_blocker" ]; then
		feature ipv6_block_tcp cgroup/connect6 ipv6_blocker/block_connect6
		feature ipv6_block_udp cgroup/sendmsg6 ipv6_blocker/block_sendmsg6
		feature ipv6_block_raw cgroup/sock_create ipv6_blocker/block_sock_create
		line '' '' "native IPv6 is $("$ROOT/scripts/ipv6-block.sh" status | sed -n 's/^native IPv6: //p')"
	fi
}

capacity() {
	bpftool map show pinned "$PIN_DIR/maps/$1" | sed -n 's/.*max_entries \([0-9]*\).*/\1/p'
}

# Every address of the IPv6 map has a colon, none of the other.
maps() {
	"$HELPERS/conn-list" | awk -v v4="$(capacity conn_to_pid_v4)" -v v6="$(capacity conn_to_pid_v6)" '
		$2 ~ /:/ { six++; next }
		{ four++ }
		END {
			printf "%-16s %d of %d entries\n", "conn_to_pid_v4", four, v4
			printf "%-16s %d of %d entries\n", "conn_to_pid_v6", six, v6
		}'
}

main() {
	answer_help "$@"
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_root
	need_built
	need_commands bpftool
	load_settings
	[ -d "$PIN_DIR" ] || die "nothing is attached (no $PIN_DIR): run attach.sh"
	use_recorded_cgroup
	printf 'connpin on Linux %s, pinned at %s, cgroup %s\n' "$(uname -r)" "$PIN_DIR" "$CGROUP"
	features
	[ "$ATTACHED" -eq 1 ] || die "nothing is attached: run attach.sh"
	[ ! -d "$PIN_DIR/port_tracker" ] || maps
	[ "$DEGRADED" -eq 0 ] || exit "$STATUS_DEGRADED"
}

main "$@"

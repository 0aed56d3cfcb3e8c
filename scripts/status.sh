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

# The kernel runs a tracing program once at a time on each CPU: what happens while it was
# interrupted in the middle by the same event is skipped. With a spare, what both skip.
skipped() {
	skipped_by=$1
	case $1 in
	*/on_udp_connect[46])
		spare=${1%/*}/on_spare_udp${1##*connect}
		[ ! -e "$spare" ] || skipped_by=$spare
		;;
	esac
	bpftool prog show pinned "$skipped_by" | sed -n '1s/.* recursion_misses \([0-9]*\).*/\1/p'
}

# What attach.sh wrote down about a feature, into $state, $feature_hook, $reason. An
# ipv6_block feature is not there: ipv6-block.sh has no second choice.
recall_feature() {
	state=on feature_hook=$2 reason=''
	[ -f "$RUN_DIR/features" ] || return 0
	while read -r recalled_name recalled_state recalled_hook recalled_reason; do
		[ "$recalled_name" = "$1" ] || continue
		state=$recalled_state feature_hook=$recalled_hook reason=$recalled_reason
		return 0
	done <"$RUN_DIR/features"
}

# feature NAME OBJECT/PROGRAM [HOOK]: HOOK when attach.sh does not know it.
feature() {
	feature_pin=$PIN_DIR/$2
	recall_feature "$1" "${3-unknown}"
	set_hook "${2##*/}"
	# shellcheck disable=SC2154 # set_hook sets it
	if [ "$hook" = tracing ]; then
		[ -e "$feature_pin" ] && [ -e "$PIN_DIR/links/${2##*/}" ]
	else
		is_attached "$feature_pin"
	fi || state=off
	if [ "$state" != off ] && [ "$hook" = tracing ]; then
		feature_skipped=$(skipped "$feature_pin")
		[ -z "$feature_skipped" ] || {
			# tcp_events has seen those that matter, but of sockets that are older.
			[ "$1" = tcp_states ] && [ -e "$PIN_DIR/tcp_events" ] || state=degraded
			reason="${reason:+$reason; }the kernel skipped $feature_skipped events (recursion_misses)"
		}
	fi
	if [ "$state" = off ]; then
		line "$1" off "$feature_hook"
	else
		ATTACHED=1
		line "$1" "$state" "$feature_hook since $(loaded_at "$feature_pin")"
	fi
	[ "$state" = on ] || DEGRADED=1
	[ -z "$reason" ] || line '' '' "$reason"
}

features() {
	feature tcp_opens port_tracker/handle_sockops
	feature udp_sends_v4 port_tracker/handle_sendmsg4
	feature udp_sends_v6 port_tracker/handle_sendmsg6
	if [ -e "$PIN_DIR/udp_connect/on_exit_connect" ]; then
		feature connected_udp udp_connect/on_exit_connect
	else
		feature connected_udp udp_connect/on_udp_connect4
	fi
	feature tcp_states tcp_monitor/on_set_state
	feature tcp_events tcp_events/on_tcp_event
	feature resets_sent tcp_monitor/on_send_reset
	feature resets_received tcp_monitor/on_receive_reset
	feature live_sockets tcp_live/on_read_sockets
	# The block is a choice, not a lack.
	if [ -d "$PIN_DIR/ipv6_blocker" ]; then
		feature ipv6_block_tcp ipv6_blocker/block_connect6 cgroup/connect6
		feature ipv6_block_udp ipv6_blocker/block_sendmsg6 cgroup/sendmsg6
		feature ipv6_block_raw ipv6_blocker/block_sock_create cgroup/sock_create
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

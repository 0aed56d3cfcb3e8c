#!/bin/sh
# SPDX-License-Identifier: MIT
#
# status.sh: what is attached, by which hook, since when, and what is missing.
set -eu
ROOT=$(readlink -f "$0")
ROOT=${ROOT%/scripts/*}
. "$ROOT/scripts/lib.sh"
. "$ROOT/scripts/config.sh"
. "$ROOT/scripts/mounts.sh"
. "$ROOT/scripts/inventory.sh"
. "$ROOT/scripts/causes.sh"
. "$ROOT/scripts/pins.sh"
. "$ROOT/scripts/objects.sh"

usage() {
	cat <<-END
		usage: $STATUS_COMMAND

		Print each feature with its hook and since when it is attached, then how full
		the connection table is. A feature that this kernel serves by a second choice,
		or not at all, says why. Needs root.

		Exit status: 0 all on, 1 something is degraded or off, 2 misuse, 3 nothing is
		attached.
	END
}

DEGRADED=0
ATTACHED=0

line() {
	[ -n "$3" ] && printf '%-16s %-9s %s\n' "$1" "$2" "$3" || printf '%-16s %s\n' "$1" "$2"
}

# set_skipped DIRECTORY NAME: how many events the kernel skipped, into $skipped. It runs a
# tracing program once at a time on each CPU: what happens while it was interrupted in the
# middle by the same event is skipped. With a spare, what both skip.
set_skipped() {
	skipped=0
	case $2 in
	on_udp_connect[46]) set_program "$1" "on_spare_udp${2#on_udp_connect}" && skipped=$program_skipped && return 0 ;;
	esac
	! set_program "$1" "$2" || skipped=$program_skipped
}

# show NAME STATE HOOK REASON...: a feature, as attach.sh wrote it down and as it is now.
show() {
	shown_name=$1 shown_state=$2 shown_hook=$3
	shift 3
	shown_reason=$*
	shown_pin=-
	if find_line "$SERVED" "$shown_name"; then
		shown_pin=${found%% *}
	fi
	if [ "$shown_pin" != - ] && [ "$shown_state" != off ]; then
		if ! set_program "${shown_pin%/*}" "${shown_pin#*/}" || [ "$program_state" != attached ]; then
			shown_state=off
			shown_reason="it was attached and is not any more: run $ATTACH_COMMAND"
		fi
		shown_hook="$shown_hook since $program_since"
		set_how - "${shown_pin#*/}"
		set_skipped "${shown_pin%/*}" "${shown_pin#*/}"
		case $how:$skipped in
		cgroup:* | *:0) ;;
		*)
			# tcp_events has seen those that matter, but of sockets that are older.
			[ "$shown_name" = tcp_states ] && find_line "$SERVED" tcp_events || shown_state=degraded
			shown_reason="${shown_reason:+$shown_reason; }the kernel skipped $skipped events (recursion_misses)"
			;;
		esac
	fi
	[ "$shown_state" = off ] && shown_hook=${shown_hook%% since *}
	[ "$shown_hook" != - ] || shown_hook=
	line "$shown_name" "$shown_state" "$shown_hook"
	[ "$shown_state" = off ] || ATTACHED=1
	case $shown_state:$shown_reason in
	# A setting that leaves it out is a choice and no lack.
	on:* | 'off:the setting '*' is 0') ;;
	*) DEGRADED=1 ;;
	esac
	[ -z "$shown_reason" ] || line '' '' "$shown_reason"
}

features() {
	while read -r feature_line; do
		# shellcheck disable=SC2086 # words
		show $feature_line
	done <"$RUN_DIR/features"
	for rewritten in port_tracker udp_connect; do
		rewriters_of "$rewritten"
		[ -n "$rewriters" ] || continue
		DEGRADED=1
		printf '%s' "$rewriters" | while read -r id name cgroup; do
			line '' '' "program $id ($name) at $cgroup runs after ours and may rewrite addresses: what $rewritten records may be the address before that; run $ATTACH_COMMAND to put ours behind"
		done
	done
	# ipv6-block.sh works without attach.sh.
	[ -e "$PIN_DIR/port_tracker" ] || show tcp_opens off - "not attached: run $ATTACH_COMMAND"
	# The block is a choice, not a lack.
	[ ! -d "$PIN_DIR/ipv6_blocker" ] ||
		line '' '' "native IPv6 is $("$ROOT/scripts/ipv6-block.sh" status | sed -n 's/^native IPv6: //p')"
}

capacity() {
	bpftool map show pinned "$PIN_DIR/maps/$1" | sed -n 's/.*max_entries \([0-9]*\).*/\1/p'
}

# Every address of the IPv6 map has a colon, none of the other.
show_maps() {
	"$HELPERS/conn-list" | awk -v v4="$(capacity conn_to_pid_v4)" -v v6="$(capacity conn_to_pid_v6)" '
		$2 ~ /:/ { six++; next }
		{ four++ }
		END {
			printf "%-16s %d of %d entries\n", "conn_to_pid_v4", four, v4
			printf "%-16s %d of %d entries\n", "conn_to_pid_v6", six, v6
		}'
}

# What other sock_ops programs of the host did to ours, which counts all the same.
show_interference() {
	"$HELPERS/tcp-metrics" 2>/dev/null | awk '
		sub(/^connpin_sock_ops_interference_total[{]by="/, "") && split($0, words, /"[}] /) == 2 && words[2] > 0 {
			total += words[2]
			by = by (by ? ", " : "") words[1] " " words[2]
		}
		END {
			if (total)
				printf "%-16s another sock_ops program of this host spoiled %d state changes for ours (%s); they were counted all the same\n", "", total, by
		}'
}

main() {
	answer_help "$@"
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_root
	need_built
	need_commands bpftool
	load_settings
	[ -d "$PIN_DIR" ] || die "nothing is attached (no $PIN_DIR): run $ATTACH_COMMAND"
	use_recorded_cgroup
	[ -f "$RUN_DIR/features" ] || die "nothing is attached (no $RUN_DIR/features): run $ATTACH_COMMAND"
	SERVED=$(cat "$RUN_DIR/served" 2>/dev/null || true)
	# shellcheck disable=SC2119 # no name is asked for
	look
	printf 'connpin on Linux %s, pinned at %s, cgroup %s\n' "$(uname -r)" "$PIN_DIR" "$CGROUP"
	features
	[ "$ATTACHED" -eq 1 ] || die "nothing is attached: run $ATTACH_COMMAND"
	show_interference
	[ ! -d "$PIN_DIR/port_tracker" ] || show_maps
	[ "$DEGRADED" -eq 0 ] || exit "$STATUS_DEGRADED"
}

main "$@"

#!/bin/sh
# SPDX-License-Identifier: MIT
#
# attach.sh: load the programs, pin them, attach them, leave.
#
# Run again it changes nothing, or puts a new build in the place of the old one
# with the maps and their contents kept. A step that fails is undone; a run that
# was killed is tidied up by the next one.
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
. "$ROOT/scripts/features.sh"

usage() {
	cat <<-END
		usage: $ATTACH_COMMAND [-v]

		Load, pin and attach the programs that record who opens and accepts
		connections, and that count what TCP does. Needs root. To take them off
		again: $DETACH_COMMAND

		What this kernel refuses is done in another way or left out, and named; only
		when nothing of the connection tracker can be had it is an error.

		  -v  all that bpftool and the verifier said of what is refused (or V=1)

		Settings: $CONFIG_PATH, or the environment.
		Exit status: 0 attached, 2 misuse or a bad setting, 3 not possible here.
	END
}

# The sockets that are there already, of each network namespace that a process is in
# or that has a name. Further ones are seen from their next change of state on.
note_older_sockets() {
	pin=$PIN_DIR/links/on_read_older
	[ -e "$pin" ] || return 0
	cat "$pin" >/dev/null || note "the sockets of before are not known: cannot read $pin"
	# By way of a builtin: a command takes no more than some 80,000 names at once.
	printf '%s\n' /proc/1/ns/net /proc/[0-9]*/ns/net /run/netns/* |
		xargs stat -L -c '%i %n' /proc/self/ns/net 2>/dev/null |
		awk '$2 == "/proc/self/ns/net" { own = $1; next }
			$2 == "/proc/1/ns/net" { others_too = 1 }
			$1 != own && !seen[$1]++ { print $2 }
			END { if (!others_too) print "-" }' | {
		missed=0
		while read -r namespace; do
			if [ "$namespace" = - ]; then
				note "the sockets of before in network namespaces of others are not known: may not look at them (CAP_SYS_PTRACE)"
				continue
			fi
			# It may be gone by now.
			nsenter --net="$namespace" cat "$pin" >/dev/null 2>&1 || [ ! -e "$namespace" ] ||
				missed=$((missed + 1))
		done
		[ "$missed" -eq 0 ] ||
			note "the sockets of before in $missed other network namespaces are not known: may not enter them"
	}
}

# The connections that are open already, and who has them, of all network namespaces.
note_open_before() {
	pin=$PIN_DIR/links/on_read_files
	[ ! -e "$pin" ] || cat "$pin" >/dev/null ||
		note "the connections of before are not known: cannot read $pin"
}

# The same of sockets that are neither TCP nor UDP.
note_older_others() {
	pin=$PIN_DIR/links/on_read_holders
	[ ! -e "$pin" ] || cat "$pin" >/dev/null ||
		note "the other sockets of before are not known: cannot read $pin"
}

main() {
	answer_help "$@"
	if [ "${1-}" = -v ]; then
		VERBOSE=1
		shift
	fi
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_root
	need_kernel
	need_built
	need_commands bpftool flock nsenter
	load_settings
	need_btf
	find_cgroup
	check_pin_dir
	take_lock
	arm_undo
	lift_memory_limit
	record_cgroup
	ensure_bpffs
	settle
	need_no_leftovers
	ensure_pin_dir
	look_at_kernel
	read_served

	wanted=
	list directories
	for directory in $listed; do
		[ "$directory" = ipv6_blocker ] && [ ! -d "$PIN_DIR/ipv6_blocker" ] ||
			wanted="$wanted $directory"
	done
	# shellcheck disable=SC2086 # names
	serve_directories '' $wanted -
	[ -z "$STAGED" ] || apply_settings 1

	# From here on nothing can fail that undoing would help.
	commit
	case $STAGED in
	*tcp_monitor*) note_older_sockets ;;
	esac
	case $STAGED in
	*port_tracker* | *open_sockets*) note_open_before ;;
	esac
	case $STAGED in
	*other*) note_older_others ;;
	esac
	list gone
	for directory in $listed; do
		[ ! -d "$PIN_DIR/$directory" ] || discard "$directory"
	done
	# Not before: what an older build counts beside this one counts once while they settle.
	apply_settings 0
	[ -n "$STAGED" ] || note "already attached: nothing to do"
	count_features
	[ "$weak" -eq 0 ] || note "attached; $weak of $all features are degraded or off: see $STATUS_COMMAND"
}

main "$@"

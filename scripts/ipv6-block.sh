#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ipv6-block.sh: refuse native IPv6, or allow it.
#
# "on" loads and attaches the programs if they are not attached, and needs no attach.sh
# before; "off" leaves them attached and idle; detach.sh detaches them.
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
		usage: $BLOCK_COMMAND on|off|status

		on      refuse connects and datagrams to native IPv6 addresses, and new IPv6
		        sockets that are raw or of any protocol but TCP, UDP and MPTCP
		        (EPERM); IPv4-mapped addresses pass
		off     let them pass
		status  say which; exit 0 when it is on, 1 when it is off

		Needs root. What the block does not stop: connections and connected UDP sockets
		that are open already, raw sockets made before, packet sockets (AF_PACKET).

		Settings: $CONFIG_PATH, or the environment.
		Exit status: 0 done, 2 misuse or a bad setting, 3 not possible here.
	END
}

config_pin() {
	echo "$PIN_DIR/maps/config"
}

attach_blocker() {
	find_cgroup
	check_pin_dir
	arm_undo
	lift_memory_limit
	record_cgroup
	ensure_bpffs
	settle
	need_no_leftovers
	ensure_pin_dir
	look_at_kernel
	read_served
	kept=
	list directories
	for directory in $listed -; do
		[ "$directory" = ipv6_blocker ] || kept="$kept $directory"
	done
	serve_directories "$kept" ipv6_blocker
	is_served ipv6_block_tcp || is_served ipv6_block_udp || is_served ipv6_block_raw || {
		why_not ipv6_block_tcp
		die "cannot attach ipv6_blocker: $reason"
	}
	commit
}

# unblocked: print the parts of the block that the kernel refused, for a warning.
unblocked() {
	for part in tcp:connects udp:datagrams raw:"raw and ping sockets"; do
		grep -q "^ipv6_block_${part%%:*} off " "$RUN_DIR/features" && printf '%s, ' "${part#*:}"
	done | sed 's/, $//'
}

set_switch() {
	bpf map update pinned "$(config_pin)" key 0 0 0 0 value "$1" || die "cannot write $(config_pin): $BPF_ERROR"
}

is_on() {
	[ -d "$PIN_DIR/ipv6_blocker" ] || return 1
	use_recorded_cgroup
	look
	blocking=
	programs_in ipv6_blocker
	for name in $listed; do
		set_program ipv6_blocker "$name"
		[ "$program_state" != attached ] || blocking=yes
	done
	[ -n "$blocking" ] || return 1
	case $(bpftool map lookup pinned "$(config_pin)" key 0 0 0 0) in
	*'value: 01'* | *'"value": 1'*) return 0 ;;
	*) return 1 ;;
	esac
}

main() {
	answer_help "$@"
	[ $# -eq 1 ] || misuse "one word is needed: on, off or status"
	case $1 in
	on | off | status) ;;
	*) misuse "on, off or status, not '$1'" ;;
	esac
	need_root
	need_kernel
	need_built
	need_commands bpftool flock
	load_settings
	if [ "$1" = status ]; then
		is_on || {
			echo "native IPv6: passes"
			exit 1
		}
		passing=$(unblocked)
		echo "native IPv6: refused${passing:+, but for $passing: this kernel does not let connpin}"
		echo "not stopped: what was open before; packet sockets (AF_PACKET)"
		exit 0
	fi
	take_lock
	if [ "$1" = on ]; then
		attach_blocker
		set_switch 1
		passing=$(unblocked)
		[ -z "$passing" ] || die "native IPv6 is refused but for $passing: this kernel does not let connpin"
	elif [ -e "$(config_pin)" ]; then
		set_switch 0
	fi
}

main "$@"

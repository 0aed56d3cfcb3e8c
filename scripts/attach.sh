#!/bin/sh
# SPDX-License-Identifier: MIT
#
# attach.sh: load the programs, pin them, attach them, leave.
#
# Run again it changes nothing, or puts a new build in the place of the old one
# with the maps and their contents kept. A step that fails is undone; a run that
# was killed is tidied up by the next one.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$ROOT/scripts/lib.sh"
. "$ROOT/scripts/config.sh"
. "$ROOT/scripts/mounts.sh"
. "$ROOT/scripts/pins.sh"
. "$ROOT/scripts/objects.sh"

usage() {
	cat <<-END
		usage: attach.sh

		Load, pin and attach the programs that record who opens connections and
		that count what TCP does. Needs root. detach.sh takes them off again.

		Settings: $(config_file), or the environment.
		Exit status: 0 attached, 2 misuse or a bad setting, 3 not possible here.
	END
}

# What status.sh tells of a feature: kept until the next attach.
degraded() {
	printf '%s %s\n' "$1" "$2" >>"$RUN_DIR/degraded.new"
}

# fentry where the kernel takes it, the tracepoint where not.
stage_monitor() {
	ensure_maps tcp_monitor
	stage tcp_monitor tcp_monitor && return 0
	refused=$BPF_ERROR
	note "fentry is refused ($refused): counting by tracepoint"
	stage tcp_monitor tcp_monitor_tp || die "cannot load tcp_monitor: $BPF_ERROR"
	degraded tcp_states "counts the same; fentry is refused ($refused)"
	degraded resets_received "connections ended by data after the close count too; fentry is refused"
}

# fexit, and the functions that connect UDP sockets up to Linux 6.12.
stage_udp_connect() {
	if grep -azqx udp_connect /sys/kernel/btf/vmlinux; then
		degraded connected_udp "Linux from 6.13 on connects UDP sockets in another place"
	elif ! stage udp_connect udp_connect; then
		note "connected UDP sockets are not recorded: fexit is refused ($BPF_ERROR)"
		degraded connected_udp "fexit is refused ($BPF_ERROR)"
	fi
}

# Only kernels before 6.10 need it: their tracepoint misses some resets. The enum
# came with the change that completed it.
stage_monitor_reset() {
	if grep -aq sk_rst_reason /sys/kernel/btf/vmlinux; then
		return 0
	fi
	stage tcp_monitor_reset tcp_monitor_reset && return 0
	note "resets sent for closed ports are not counted: fentry is refused ($BPF_ERROR)"
	degraded resets_sent "those for closed ports are not counted, fentry is refused ($BPF_ERROR)"
}

# What the metrics read when somebody asks.
stage_live() {
	ensure_maps tcp_live
	stage tcp_live tcp_live || die "cannot load tcp_live: $BPF_ERROR"
}

# The sockets that are there already, of each network namespace that a process is in
# or that has a name. Further ones are seen from their next change of state on.
note_older_sockets() {
	pin=$PIN_DIR/links/on_read_older
	stat -L -c '%i %n' /proc/[0-9]*/ns/net /run/netns/* 2>/dev/null |
		awk '!seen[$1]++ { print $2 }' | while read -r namespace; do
		nsenter --net="$namespace" cat "$pin" >/dev/null 2>&1 || true # it may be gone
	done
}

main() {
	answer_help "$@"
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_root
	need_built
	need_commands bpftool flock nsenter
	load_settings
	need_btf
	find_cgroup
	check_pin_dir
	take_lock
	arm_undo
	record_cgroup
	rm -f "$RUN_DIR/degraded.new"
	ensure_bpffs
	ensure_pin_dir
	settle_objects

	ensure_maps port_tracker
	stage port_tracker port_tracker || die "cannot load port_tracker: $BPF_ERROR"
	stage_udp_connect
	if [ -d "$PIN_DIR/ipv6_blocker" ]; then
		ensure_maps ipv6_blocker
		stage ipv6_blocker ipv6_blocker || die "cannot load ipv6_blocker: $BPF_ERROR"
	fi
	stage_monitor
	stage_monitor_reset
	stage_live

	# From here on nothing can fail that undoing would help.
	commit_staged
	open_iterator
	case $STAGED in
	*tcp_monitor*) note_older_sockets ;;
	esac
	: >>"$RUN_DIR/degraded.new"
	mv "$RUN_DIR/degraded.new" "$RUN_DIR/degraded"
	[ -n "$STAGED" ] || note "already attached: nothing to do"
}

main "$@"

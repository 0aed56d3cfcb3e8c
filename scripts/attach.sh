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

# fexit where the kernel takes it, on the functions that connect UDP sockets: others
# from Linux 6.13 on. The tracepoint where not.
stage_udp_connect() {
	variant=udp_connect
	! grep -azqx udp_connect /sys/kernel/btf/vmlinux || variant=udp_connect_split
	stage udp_connect "$variant" && return 0
	refused=$BPF_ERROR
	if stage udp_connect udp_connect_tp; then
		note "fexit is refused ($refused): recording connected UDP sockets by tracepoint"
		degraded connected_udp "each system call takes some 10 ns more, and io_uring and 32-bit programs are missed; fexit is refused"
	else
		note "connected UDP sockets are not recorded: fexit is refused ($refused)"
		degraded connected_udp "fexit is refused ($refused), and so is the tracepoint ($BPF_ERROR)"
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

main() {
	answer_help "$@"
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_root
	need_built
	need_commands bpftool flock
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

	# From here on nothing can fail that undoing would help.
	commit_staged
	: >>"$RUN_DIR/degraded.new"
	mv "$RUN_DIR/degraded.new" "$RUN_DIR/degraded"
	[ -n "$STAGED" ] || note "already attached: nothing to do"
}

main "$@"

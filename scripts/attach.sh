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

# feature NAME STATE HOOK [REASON]: what status.sh and the metrics tell, until the next
# attach. STATE is on, degraded or off; a hook has no space in it.
feature() {
	printf '%s %s %s %s\n' "$1" "$2" "$3" "${4-}" >>"$RUN_DIR/features.new"
}

stage_tracker() {
	ensure_maps port_tracker
	stage port_tracker port_tracker || die "cannot load port_tracker: $BPF_ERROR"
	feature tcp_opens on sock_ops
	feature udp_sends_v4 on cgroup/sendmsg4
	feature udp_sends_v6 on cgroup/sendmsg6
}

# All sockets are below the root of the hierarchy, which is the cgroup with the number 1.
is_root_cgroup() {
	[ "$(stat -c %i "$CGROUP")" -eq 1 ]
}

# Below another cgroup not all changes come to sock_ops: then none is counted there.
stage_events() {
	if [ "$BY_EVENTS" -eq 0 ]; then
		feature tcp_events off sock_ops \
			"CGROUP is not the root: changes that come while the same program is interrupted are missed"
		return 0
	fi
	ensure_maps tcp_events
	stage tcp_events tcp_events || die "cannot load tcp_events: $BPF_ERROR"
	feature tcp_events on sock_ops
}

# fentry where the kernel takes it, the tracepoint where not.
stage_monitor() {
	ensure_maps tcp_monitor
	BY_EVENTS=0
	! is_root_cgroup || BY_EVENTS=1
	apply_settings
	if stage tcp_monitor tcp_monitor; then
		feature tcp_states on fentry/tcp_set_state
		feature resets_received on fentry/tcp_reset
		return 0
	fi
	refused=$BPF_ERROR
	note "fentry is refused ($refused): counting by tracepoint"
	stage tcp_monitor tcp_monitor_tp || die "cannot load tcp_monitor: $BPF_ERROR"
	feature tcp_states degraded tp_btf/inet_sock_set_state \
		"counts the same; fentry is refused ($refused)"
	feature resets_received degraded tp_btf/tcp_receive_reset \
		"connections ended by data after the close count too; fentry is refused"
}

# fexit where the kernel takes it, on the functions that connect UDP sockets: others
# from Linux 6.13 on. The tracepoint where not.
stage_udp_connect() {
	variant=udp_connect udp_hook='fexit/ip[46]_datagram_connect'
	! grep -azqx udp_connect /sys/kernel/btf/vmlinux || variant=udp_connect_split
	[ "$variant" = udp_connect ] || udp_hook='fexit/udp_connect,udpv6_connect'
	if stage udp_connect "$variant"; then
		feature connected_udp on "$udp_hook"
		return 0
	fi
	refused=$BPF_ERROR
	if stage udp_connect udp_connect_tp; then
		note "fexit is refused ($refused): recording connected UDP sockets by tracepoint"
		feature connected_udp degraded tracepoint/sys_exit_connect \
			"each system call takes some 10 ns more, and io_uring and 32-bit programs are missed; fexit is refused"
	else
		note "connected UDP sockets are not recorded: fexit is refused ($refused)"
		feature connected_udp off "$udp_hook" \
			"fexit is refused ($refused), and so is the tracepoint ($BPF_ERROR)"
	fi
}

# Only kernels before 6.10 need it: their tracepoint misses some resets. The enum
# came with the change that completed it.
stage_monitor_reset() {
	if grep -aq sk_rst_reason /sys/kernel/btf/vmlinux; then
		feature resets_sent on tp_btf/tcp_send_reset
	elif stage tcp_monitor_reset tcp_monitor_reset; then
		feature resets_sent on 'tp_btf/tcp_send_reset,fentry/tcp_v[46]_send_reset'
	else
		note "resets sent for closed ports are not counted: fentry is refused ($BPF_ERROR)"
		feature resets_sent degraded tp_btf/tcp_send_reset \
			"those for closed ports are not counted, fentry is refused ($BPF_ERROR)"
	fi
}

# What the metrics read when somebody asks.
stage_live() {
	ensure_maps tcp_live
	stage tcp_live tcp_live || die "cannot load tcp_live: $BPF_ERROR"
	feature live_sockets on iter/bpf_prog
}

# The sockets that are there already, of each network namespace that a process is in
# or that has a name. Further ones are seen from their next change of state on.
note_older_sockets() {
	pin=$PIN_DIR/links/on_read_older
	cat "$pin" >/dev/null || note "the sockets of before are not known: cannot read $pin"
	own=$(stat -L -c %i /proc/self/ns/net)
	stat -L -c '%i %n' /proc/[0-9]*/ns/net /run/netns/* 2>/dev/null |
		awk -v own="$own" '$1 != own && !seen[$1]++ { print $2 }' | {
		missed=0
		while read -r namespace; do
			# It may be gone by now.
			nsenter --net="$namespace" cat "$pin" >/dev/null 2>&1 || [ ! -e "$namespace" ] ||
				missed=$((missed + 1))
		done
		[ "$missed" -eq 0 ] ||
			note "the sockets of before in $missed other network namespaces are not known: may not enter them"
	}
	stat -L /proc/1/ns/net >/dev/null 2>&1 ||
		note "the sockets of before in network namespaces of others are not known: may not look at them (CAP_SYS_PTRACE)"
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
	rm -f "$RUN_DIR/features.new"
	ensure_bpffs
	ensure_pin_dir
	settle_objects

	stage_tracker
	stage_udp_connect
	if [ -d "$PIN_DIR/ipv6_blocker" ]; then
		ensure_maps ipv6_blocker
		stage ipv6_blocker ipv6_blocker || die "cannot load ipv6_blocker: $BPF_ERROR"
	fi
	stage_monitor
	stage_events
	stage_monitor_reset
	stage_live

	# From here on nothing can fail that undoing would help.
	commit_staged
	open_iterators ''
	case $STAGED in
	*tcp_monitor*) note_older_sockets ;;
	esac
	mv "$RUN_DIR/features.new" "$RUN_DIR/features"
	[ -n "$STAGED" ] || note "already attached: nothing to do"
}

main "$@"

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A host that lacks something. In a virtual machine only: these take mounts away.

load ../helper

teardown() {
	detach
}

# Run attach.sh with the mounts of COMMANDS; exit status and output as run has them.
attach_after() {
	run -3 unshare -m sh -ec "$1; exec $SCRIPTS/attach.sh"
	echo "$output"
	[ "${#lines[@]}" -eq 1 ]
}

@test "attach.sh (kernel without BTF) says that BTF is missing" {
	attach_after 'mount -t tmpfs none /sys/kernel/btf'
	[[ $output = "attach.sh: this kernel has no BTF (/sys/kernel/btf/vmlinux)"* ]]
}

@test "attach.sh (no cgroup v2) says that it is missing" {
	attach_after 'umount /sys/fs/cgroup'
	[[ $output = "attach.sh: no cgroup v2 hierarchy is mounted"* ]]
}

@test "attach.sh (no bpftool) says that it is missing" {
	attach_after 'mount -t tmpfs none /usr/sbin'
	[[ $output = "attach.sh: the command bpftool is missing"* ]]
}

# bpftool, called by other tests, may have mounted one upon another.
no_bpffs() {
	while grep -q ' /sys/fs/bpf ' /proc/mounts; do
		umount /sys/fs/bpf
	done
}

@test "attach.sh (bpffs not mounted) mounts it, and detach.sh unmounts it" {
	no_bpffs
	attach
	grep -q '^bpf /sys/fs/bpf bpf ' /proc/mounts
	detach
	no_line ' /sys/fs/bpf ' cat /proc/mounts
}

@test "attach.sh (bpffs mounted with mode 0700, as systemd does) lets the group in and puts the mode back" {
	no_bpffs
	mount -t bpf -o mode=0700 bpf /sys/fs/bpf
	attach
	# A bpf file system keeps the sticky bit, whatever mode it was mounted with.
	[ "$(stat -c %a /sys/fs/bpf)" = 1701 ]
	run -0 setpriv --reuid 65534 --regid connpin --clear-groups "$HELPERS/tcp-metrics"
	detach
	[ "$(stat -c %a /sys/fs/bpf)" = 1700 ]
	umount /sys/fs/bpf
}

@test "attach.sh (cgroup v2 elsewhere, as on a hybrid host) finds it in the mount table" {
	run -0 unshare -m sh -ec "
		umount /sys/fs/cgroup
		mount -t tmpfs none /sys/fs/cgroup
		mkdir /sys/fs/cgroup/unified
		mount -t cgroup2 none /sys/fs/cgroup/unified
		$SCRIPTS/attach.sh
		bpftool cgroup show /sys/fs/cgroup/unified
		$SCRIPTS/detach.sh"
	[[ $output = *"bpftool cgroup attach /sys/fs/cgroup/unified sock_ops"* ]]
	[[ $output = *"multi           handle_sockops"* ]]
}

@test "attach.sh (cgroup removed under it) can be detached and attached again" {
	mkdir /sys/fs/cgroup/gone
	CGROUP=/sys/fs/cgroup/gone attach
	rmdir /sys/fs/cgroup/gone
	attach
	run -0 "$SCRIPTS/status.sh"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A host on which something can't be written or has run out. In a virtual machine only.
# Each time: one line says what, nothing stays behind, and it works once that is mended.

load ../helper

setup() {
	mkdir -p /tmp/root
	BEFORE=$(bpf_inventory)
}

teardown() {
	detach
	unchanged_since "$BEFORE"
}

# refuses TEXT COMMANDS: attach.sh in a mount namespace of its own after COMMANDS; the
# steps that it shows aside, it says TEXT, and what it undoes.
refuses() {
	run -3 unshare -m sh -ec "$2
		exec $SCRIPTS/attach.sh"
	echo "$output"
	# shellcheck disable=SC2053 # a pattern, if it has stars
	[[ $output = *"attach.sh: "$1* ]]
	said=$(grep -cv '^+ \|^map create \|undoing\|^groupadd:' <<<"$output")
	[ "$said" -eq 1 ]
	unchanged_since "$BEFORE"
}

@test "attach.sh (bpffs mounted elsewhere, PIN_DIR there) attaches, answers, detaches" {
	mkdir /tmp/bpf
	mount -t bpf bpf /tmp/bpf
	export PIN_DIR=/tmp/bpf/connpin
	attach
	[ ! -e /sys/fs/bpf/connpin ]
	run -0 "$TRAFFIC" open 2
	[ "$("$HELPERS/conn-list" | wc -l)" -ge 2 ]
	run -0 "$SCRIPTS/status.sh"
	detach
	run -0 ls -A /tmp/bpf
	umount /tmp/bpf
	rmdir /tmp/bpf
	export PIN_DIR=/sys/fs/bpf/connpin
}

@test "attach.sh (bpffs read-only) says so" {
	grep -q ' /sys/fs/bpf bpf ' /proc/mounts || mount -t bpf bpf /sys/fs/bpf
	BEFORE=$(bpf_inventory)
	refuses "cannot make /sys/fs/bpf"*": Read-only file system" "mount -o remount,bind,ro /sys/fs/bpf"
}

@test "attach.sh (root file system read-only) attaches when the group is there" {
	attach
	detach
	run -0 unshare -m sh -ec "mount --bind / /tmp/root; mount -o remount,bind,ro /tmp/root
		for dir in proc sys dev run; do mount --rbind /\$dir /tmp/root/\$dir; done
		chroot /tmp/root touch /x 2>/dev/null && exit 9
		chroot /tmp/root $SCRIPTS/attach.sh
		chroot /tmp/root $SCRIPTS/detach.sh"
	unchanged_since "$BEFORE"
}

@test "attach.sh (root file system read-only, no group yet) says that it can't make the group" {
	grep -v '^connpin:' /etc/group >/tmp/group
	refuses "cannot make the group connpin (setting PIN_GROUP)" "mount --bind / /tmp/root; mount --bind /tmp/group /tmp/root/etc/group
		mount -o remount,bind,ro /tmp/root
		for dir in proc sys dev run; do mount --rbind /\$dir /tmp/root/\$dir; done
		mount -o remount,bind,ro /tmp/root/etc/group
		exec chroot /tmp/root $SCRIPTS/attach.sh"
}

@test "attach.sh (RUN_DIR read-only) says so" {
	mkdir -p /run/connpin
	refuses "cannot write /run/connpin/attach.lock" "mount -t tmpfs -o ro none /run/connpin"
}

@test "attach.sh (no space left in RUN_DIR) says so and undoes what it did" {
	mkdir -p /run/connpin
	refuses "cannot write /run/connpin/" "mount -t tmpfs -o size=16k none /run/connpin
		dd if=/dev/zero of=/run/connpin/full bs=4k 2>/dev/null || true"
}

@test "attach.sh (not enough memory for a map) says so and undoes what it did" {
	# 16 million entries are more than this machine has memory for.
	export CONN_V4_ENTRIES=16777216
	refuses "cannot attach the tracker: "*"cannot create map conn_to_pid_v4 with 16777216 entries: not enough memory: " true
	unset CONN_V4_ENTRIES
	attach
}

@test "attach.sh (memory limit of its cgroup) says so and undoes what it did" {
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir -p /sys/fs/cgroup/small
	echo 24M >/sys/fs/cgroup/small/memory.max
	export CONN_V4_ENTRIES=1048576
	refuses "cannot attach the tracker: "*"cannot create map conn_to_pid_v4 with 1048576 entries: not enough memory: " "echo 0 >/sys/fs/cgroup/small/cgroup.procs"
	unset CONN_V4_ENTRIES
	attach
	rmdir /sys/fs/cgroup/small
}

@test "detach.sh (the cgroup was removed under it) returns the host to what it was" {
	mkdir /sys/fs/cgroup/gone
	CGROUP=/sys/fs/cgroup/gone attach
	rmdir /sys/fs/cgroup/gone
	run -0 "$SCRIPTS/detach.sh"
	[[ $output = *"/sys/fs/cgroup/gone is gone, and what was attached to it"* ]]
	unchanged_since "$BEFORE"
}

@test "attach.sh (another one is at work) says that it waits" {
	mkdir -p /run/connpin
	exec {held}>>/run/connpin/attach.lock
	flock "$held"
	"$SCRIPTS/attach.sh" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- {held}>&- &
	pid=$!
	poll grep -q 'another connpin script is at work (process unknown): waiting for it' "$BATS_TEST_TMPDIR/said"
	[ ! -e "$PIN_DIR" ]
	exec {held}>&-
	wait "$pid"
	run -0 "$SCRIPTS/status.sh"
}

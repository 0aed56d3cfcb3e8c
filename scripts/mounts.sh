# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# mounts.sh: the bpf file system and the cgroup hierarchy, from the mount table.
#
# Needs lib.sh, config.sh.

# file_system_of PATH: the type of the file system that PATH is, or would be, on, into
# $file_system.
file_system_of() {
	file_system='' longest=0
	while read -r _ mount_point mount_type _; do
		case $1/ in
		"${mount_point%/}"/*)
			# Of those at one place the last hides the others.
			[ "${#mount_point}" -lt "$longest" ] || longest=${#mount_point} file_system=$mount_type
			;;
		esac
	done </proc/mounts
}

# The cgroup to attach to, in CGROUP; an answer in words when there is none.
find_cgroup() {
	if [ -n "$CGROUP" ]; then
		[ -d "$CGROUP" ] || die "$(setting CGROUP "$CGROUP"): no such directory"
		file_system_of "$CGROUP"
		[ "$file_system" = cgroup2 ] ||
			die "$(setting CGROUP "$CGROUP"): not a cgroup of version 2"
		return 0
	fi
	while read -r _ mount_point mount_type _; do
		[ "$mount_type" = cgroup2 ] || continue
		CGROUP=${CGROUP:-$mount_point}
		case $mount_point in
		# On a hybrid host version 2 is at the second.
		/sys/fs/cgroup | /sys/fs/cgroup/unified)
			CGROUP=$mount_point
			break
			;;
		esac
	done </proc/mounts
	[ -n "$CGROUP" ] || die "no cgroup v2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup"
}

# cgroup_root CGROUP: of the hierarchy that it is in.
cgroup_root() {
	awk -v path="$1/" '$3 == "cgroup2" && index(path, $2 "/") == 1 { print $2; exit }' /proc/mounts
}

need_btf() {
	[ -r /sys/kernel/btf/vmlinux ] ||
		die "this kernel has no BTF (/sys/kernel/btf/vmlinux): CONFIG_DEBUG_INFO_BTF is needed"
}

# A directory that other users can search lets them reach the pins, each of which
# has a mode of its own. systemd mounts /sys/fs/bpf with mode 0700.
BPFFS=/sys/fs/bpf

check_pin_dir() {
	case $PIN_DIR in
	"$BPFFS"/*) return 0 ;;
	esac
	file_system_of "$PIN_DIR"
	[ "$file_system" = bpf ] ||
		die "$(setting PIN_DIR "$PIN_DIR"): not on a bpf file system"
}

ensure_bpffs() {
	case $PIN_DIR in
	"$BPFFS"/*) ;;
	*) return 0 ;;
	esac
	file_system_of "$BPFFS"
	if [ "$file_system" != bpf ]; then
		remember bpffs mounted
		undo forget bpffs
		run mount -t bpf -o mode=0711 bpf "$BPFFS" || die "cannot mount a bpf file system on $BPFFS"
		undo umount "$BPFFS"
		return 0
	fi
	bpffs_mode=$(stat -c %a "$BPFFS")
	case $bpffs_mode in
	*[1357]) ;;
	*)
		remember bpffs "$bpffs_mode"
		undo forget bpffs
		bpffs_error=$(LC_ALL=C run chmod o+x "$BPFFS" 2>&1) ||
			die "cannot make $BPFFS searchable: ${bpffs_error##*: }"
		printf '%s\n' "$bpffs_error" >&2
		undo chmod "$bpffs_mode" "$BPFFS"
		;;
	esac
}

# Put back what ensure_bpffs changed.
restore_bpffs() {
	recall bpffs || return 0
	file_system_of "$BPFFS"
	[ "$file_system" = bpf ] || recalled=
	case $recalled in
	'') ;;
	mounted)
		# Someone else may use it by now. The two .debug files are the kernel's.
		if [ -z "$(find "$BPFFS" -mindepth 1 ! -name progs.debug ! -name maps.debug)" ]; then
			run umount "$BPFFS" || note "cannot unmount $BPFFS: left mounted"
		fi
		;;
	*) run chmod "$recalled" "$BPFFS" ;;
	esac
	forget bpffs
}

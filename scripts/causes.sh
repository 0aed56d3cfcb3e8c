# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# causes.sh: what an answer of the kernel means. One line, for people.
#
# Needs lib.sh.

# set_kernel: the version of this kernel, into $KERNEL_MAJOR and $KERNEL_MINOR.
set_kernel() {
	read -r release </proc/sys/kernel/osrelease
	KERNEL_MAJOR=${release%%.*}
	KERNEL_MINOR=${release#*.}
	KERNEL_MINOR=${KERNEL_MINOR%%[!0-9]*}
}

# The oldest kernel on which anything works: sock_ops has no task before.
need_kernel() {
	set_kernel
	[ "$KERNEL_MAJOR" -gt 5 ] || { [ "$KERNEL_MAJOR" -eq 5 ] && [ "$KERNEL_MINOR" -ge 10 ]; } ||
		die "Linux $release is too old: 5.10 or later is needed"
}

# is_locked_down MODE
is_locked_down() {
	lockdown=
	[ ! -r /sys/kernel/security/lockdown ] || read -r lockdown </sys/kernel/security/lockdown || true
	case $lockdown in
	*"[$1]"*) return 0 ;;
	esac
	# securityfs need not be mounted.
	case " $(cat /proc/cmdline) " in
	*" lockdown=$1 "*) return 0 ;;
	esac
	return 1
}

# The capabilities that are missing, by name: include/uapi/linux/capability.h.
missing_capabilities() {
	while read -r name value; do
		[ "$name" != CapEff: ] || break
	done </proc/self/status
	value=$((0x$value))
	missing=
	for capability in 39:CAP_BPF 38:CAP_PERFMON 12:CAP_NET_ADMIN; do
		[ $((value >> ${capability%%:*} & 1)) -eq 1 ] || missing="$missing ${capability#*:}"
	done
	# What these three are a part of.
	[ $((value >> 21 & 1)) -eq 0 ] || missing=$(case $missing in *CAP_NET_ADMIN*) echo " CAP_NET_ADMIN" ;; esac)
	printf '%s\n' "${missing# }"
}

# since HELPER: the first Linux that has it, as "Linux N or later".
since() {
	case $1 in
	bpf_get_current_task_btf) echo "Linux 5.11 or later" ;;
	bpf_get_socket_cookie | bpf_get_netns_cookie) echo "Linux 5.12 or later" ;;
	bpf_task_pt_regs) echo "Linux 5.15 or later" ;;
	bpf_loop) echo "Linux 5.17 or later" ;;
	bpf_map_lookup_percpu_elem) echo "Linux 5.19 or later" ;;
	*) echo "a later Linux" ;;
	esac
}

# cause_of TEXT: TEXT is all that bpftool, libbpf and the verifier said.
cause_of() {
	# Without one of them the kernel hides helpers, too.
	missing=$(missing_capabilities)
	case ${missing:+missing}$1 in
	missing*"unknown func bpf_"* | missing*"cannot use helper bpf_"* | missing*"Operation not permitted"* | \
		missing*"Permission denied"*)
		echo "a capability is missing: $missing"
		;;
	*"unknown func bpf_"* | *"cannot use helper bpf_"*)
		helper=$(printf '%s\n' "$1" | sed -n 's/.*\(unknown func\|cannot use helper\) \(bpf_[a-z0-9_]*\).*/\2/p' | head -n 1)
		case $helper in
		bpf_probe_read*)
			if is_locked_down confidentiality; then
				echo "lockdown=confidentiality does not let BPF read kernel memory"
				return 0
			fi
			;;
		esac
		echo "this kernel lacks $helper here: $(since "$helper")"
		;;
	*"BPF_STX uses reserved fields"* | *"BPF_ATOMIC uses"* | *"unknown opcode db"* | *"unknown opcode c3"*)
		echo "this kernel lacks atomic operations with a result: Linux 5.12 or later"
		;;
	*"failed to find kernel BTF type ID of"*)
		echo "this kernel has no $(printf '%s\n' "$1" | sed -n "s/.*failed to find kernel BTF type ID of '\([^']*\)'.*/\1/p" | head -n 1)"
		;;
	*"failed to find valid kernel BTF"* | *"Error loading vmlinux BTF"*)
		echo "this kernel has no BTF: CONFIG_DEBUG_INFO_BTF is needed"
		;;
	*"func '"*"' doesn't have "*"-th argument"*)
		echo "the function has other arguments in this kernel"
		;;
	*"Operation not permitted"*)
		set_kernel
		if [ "$KERNEL_MAJOR.$KERNEL_MINOR" = 5.10 ] && [ "${1#*map create}" != "$1" ]; then
			echo "not enough locked memory: ulimit -l unlimited"
		else
			echo "the kernel or a security module refuses it: Operation not permitted"
		fi
		;;
	*"Cannot allocate memory"* | *"Argument list too long"*)
		echo "not enough memory: $(first_line "$1")"
		;;
	*) first_line "$1" ;;
	esac
}

# The first complaint of libbpf or the verifier, or bpftool's own.
first_line() {
	printf '%s\n' "$1" | sed -n '/^Warning/d; /^$/d; s/^libbpf: //; p; q'
}

# The program that the kernel refused to load, of what bpftool said; nothing if it was not that.
refused_program() {
	printf '%s\n' "$1" | sed -n "s/.*prog '\([^']*\)': BPF program load failed.*/\1/p" | head -n 1
}

# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# causes.sh: turns an error of the kernel into one line that says the cause.
#
# It needs lib.sh.

# set_kernel: set $KERNEL_MAJOR and $KERNEL_MINOR to the version of this kernel.
set_kernel() {
	read -r release </proc/sys/kernel/osrelease
	KERNEL_MAJOR=${release%%.*}
	KERNEL_MINOR=${release#*.}
	KERNEL_MINOR=${KERNEL_MINOR%%[!0-9]*}
}

# need_kernel: stop on a kernel before 5.10, where sock_ops programs can't read the task.
need_kernel() {
	set_kernel
	[ "$KERNEL_MAJOR" -gt 5 ] || { [ "$KERNEL_MAJOR" -eq 5 ] && [ "$KERNEL_MINOR" -ge 10 ]; } ||
		die "Linux $release is too old: 5.10 or later is needed"
}

# is_locked_down MODE: whether the kernel runs with lockdown=MODE.
is_locked_down() {
	lockdown=
	[ ! -r /sys/kernel/security/lockdown ] || read -r lockdown </sys/kernel/security/lockdown || true
	case $lockdown in
	*"[$1]"*) return 0 ;;
	esac
	# securityfs may not be mounted; then the command line tells.
	case " $(cat /proc/cmdline) " in
	*" lockdown=$1 "*) return 0 ;;
	esac
	return 1
}

# missing_capabilities: print the names of those that this process lacks. The numbers are
# those of include/uapi/linux/capability.h.
missing_capabilities() {
	while read -r name value; do
		[ "$name" != CapEff: ] || break
	done </proc/self/status
	value=$((0x$value))
	missing=
	for capability in 39:CAP_BPF 38:CAP_PERFMON 12:CAP_NET_ADMIN; do
		[ $((value >> ${capability%%:*} & 1)) -eq 1 ] || missing="$missing ${capability#*:}"
	done
	# CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON.
	[ $((value >> 21 & 1)) -eq 0 ] || missing=$(case $missing in *CAP_NET_ADMIN*) echo " CAP_NET_ADMIN" ;; esac)
	printf '%s\n' "${missing# }"
}

# since HELPER: print the first Linux that has it, as "Linux N or later".
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

# cause_of TEXT: print the cause. TEXT is all that bpftool, libbpf and the verifier printed.
cause_of() {
	# This comes first, because without a capability the kernel hides helpers as well.
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

# first_line TEXT: print the first error of libbpf or the verifier, or else of bpftool.
first_line() {
	printf '%s\n' "$1" | sed -n '/^Warning/d; /^$/d; s/^libbpf: //; p; q'
}

# refused_program TEXT: print the program that the kernel refused to load, if TEXT, the output
# of bpftool, names one.
refused_program() {
	printf '%s\n' "$1" | sed -n "s/.*prog '\([^']*\)': BPF program load failed.*/\1/p" | head -n 1
}

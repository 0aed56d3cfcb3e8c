# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# causes.sh: turns an error of the kernel into one line that says the cause.
#
# Needs lib.sh.

# set_kernel: set $kernel_release to the version of this kernel, and $kernel_major and
# $kernel_minor to the two numbers that it begins with.
set_kernel() {
	read -r kernel_release </proc/sys/kernel/osrelease
	kernel_major=${kernel_release%%.*}
	kernel_minor=${kernel_release#*.}
	kernel_minor=${kernel_minor%%[!0-9]*}
}

# need_kernel: stop on a kernel before 5.10, where sock_ops programs can't read the task.
need_kernel() {
	set_kernel
	[ "$kernel_major" -gt 5 ] || { [ "$kernel_major" -eq 5 ] && [ "$kernel_minor" -ge 10 ]; } ||
		die "Linux $kernel_release is too old: 5.10 or later is needed"
}

# is_locked_down MODE: whether the kernel runs with lockdown=MODE.
is_locked_down() {
	lockdown=
	[ ! -r /sys/kernel/security/lockdown ] || read -r lockdown </sys/kernel/security/lockdown || true
	case $lockdown in
	*"[$1]"*) return 0 ;;
	esac
	# securityfs may not be mounted; then the command line tells.
	read_file /proc/cmdline
	# shellcheck disable=SC2154 # read_file sets it
	case " ${file_text%?} " in
	*" lockdown=$1 "*) return 0 ;;
	esac
	return 1
}

# set_capabilities: those that this process has, a bit each, into $capability_value. The
# numbers of the bits are those of include/uapi/linux/capability.h.
set_capabilities() {
	while read -r capability_name capability_value; do
		[ "$capability_name" != CapEff: ] || break
	done </proc/self/status
	capability_value=$((0x$capability_value))
}

# may_override_modes: CAP_DAC_OVERRIDE. "test -w" of busybox does not ask for it.
may_override_modes() {
	set_capabilities
	[ $((capability_value >> 1 & 1)) -eq 1 ]
}

# missing_capabilities: set $missing to the names of those that this process lacks.
missing_capabilities() {
	set_capabilities
	missing=
	for capability in 39:CAP_BPF 38:CAP_PERFMON 12:CAP_NET_ADMIN; do
		[ $((capability_value >> ${capability%%:*} & 1)) -eq 1 ] || missing="$missing ${capability#*:}"
	done
	# CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON.
	[ $((capability_value >> 21 & 1)) -eq 0 ] || case $missing in
	*CAP_NET_ADMIN*) missing=" CAP_NET_ADMIN" ;;
	*) missing= ;;
	esac
	missing=${missing# }
}

# since HELPER: set $since to the first Linux that has it in every kind of program that calls
# it here, as "Linux N or later". (Tracing programs have the task from 5.11 on.)
since() {
	case $1 in
	bpf_get_socket_cookie) since="Linux 5.12 or later" ;;
	bpf_get_current_task_btf | bpf_task_pt_regs) since="Linux 5.15 or later" ;;
	bpf_loop) since="Linux 5.17 or later" ;;
	bpf_map_lookup_percpu_elem) since="Linux 5.19 or later" ;;
	*) since="a later Linux" ;;
	esac
}

# set_helper TEXT WORDS: set $helper to the name of the helper that stands behind the first
# WORDS in TEXT.
set_helper() {
	helper=bpf_${1#*"$2 bpf_"}
	helper=${helper%%[!a-z0-9_]*}
}

# cause_of TEXT: set $cause to the cause. TEXT is all that bpftool, libbpf and the verifier
# printed.
cause_of() {
	# This comes first, because without a capability the kernel hides helpers as well.
	missing_capabilities
	case ${missing:+missing}$1 in
	missing*"unknown func bpf_"* | missing*"cannot use helper bpf_"* | missing*"Operation not permitted"* | \
		missing*"Permission denied"*)
		cause="a capability is missing: $missing"
		;;
	*"unknown func bpf_"* | *"cannot use helper bpf_"*)
		case $1 in
		*"unknown func bpf_"*) set_helper "$1" "unknown func" ;;
		*) set_helper "$1" "cannot use helper" ;;
		esac
		case $helper in
		bpf_probe_read*)
			if is_locked_down confidentiality; then
				cause="lockdown=confidentiality does not let BPF read kernel memory"
				return 0
			fi
			;;
		esac
		since "$helper"
		cause="this kernel lacks $helper here: $since"
		;;
	*"BPF_STX uses reserved fields"* | *"BPF_ATOMIC uses"* | *"unknown opcode db"* | *"unknown opcode c3"*)
		cause="this kernel lacks atomic operations with a result: Linux 5.12 or later"
		;;
	*"failed to find kernel BTF type ID of"*)
		cause=${1#*"failed to find kernel BTF type ID of '"}
		cause="this kernel has no ${cause%%"'"*}"
		;;
	*"failed to find valid kernel BTF"* | *"Error loading vmlinux BTF"*)
		cause="this kernel has no BTF: CONFIG_DEBUG_INFO_BTF is needed"
		;;
	*"func '"*"' doesn't have "*"-th argument"*)
		cause="the function has other arguments in this kernel"
		;;
	*"Operation not permitted"*)
		set_kernel
		if [ "$kernel_major.$kernel_minor" = 5.10 ] && [ "${1#*map create}" != "$1" ]; then
			cause="not enough locked memory: ulimit -l unlimited"
		else
			cause="the kernel or a security module refuses it: Operation not permitted"
		fi
		;;
	*"Cannot allocate memory"* | *"Argument list too long"*)
		first_line "$1"
		cause="not enough memory: $cause"
		;;
	*) first_line "$1" ;;
	esac
}

# first_line TEXT: set $cause to the first error of libbpf or the verifier, or else of bpftool.
first_line() {
	cause=
	cause_before=$IFS
	IFS=$NEWLINE
	# What the verifier prints may hold the characters of a pattern.
	set -f
	for cause_line in $1; do
		case $cause_line in
		Warning*) ;;
		*)
			cause=${cause_line#libbpf: }
			break
			;;
		esac
	done
	set +f
	IFS=$cause_before
}

# refused_program TEXT: set $refused_name to the program that the kernel refused to load, if
# TEXT, the output of bpftool, names one.
refused_program() {
	refused_name=
	case $1 in
	*"prog '"*"': BPF program load failed"*)
		refused_name=${1%%"': BPF program load failed"*}
		refused_name=${refused_name##*"prog '"}
		;;
	esac
}

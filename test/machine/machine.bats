#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Each machine of the matrix is what the matrix says, or its other tests say nothing.

load ../helper

# word NAME: the value of NAME=VALUE on the kernel's command line.
word() {
	tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p" | tail -n 1
}

@test "the machine runs the kernel that was fetched for it" {
	[ "$(uname -r)" = "$(word connpin.release)" ]
	case $(uname -r) in
	*-rt-*) [[ $(uname -v) = *PREEMPT_RT* ]] ;;
	*) [[ $(uname -v) != *PREEMPT_RT* ]] ;;
	esac
}

@test "the machine has the lockdown and the security modules that it was booted with" {
	lockdown=$(word lockdown)
	grep -qF "[${lockdown:-none}]" /sys/kernel/security/lockdown
	for module in $(word lsm | tr , ' '); do
		grep -qE "(^|,)$module(,|\$)" /sys/kernel/security/lsm
	done
}

@test "the machine's sh is the one that the matrix says" {
	case $(word connpin.sh) in
	ash) [ "$(readlink -f /bin/sh)" = /usr/bin/busybox ] ;;
	dash) [ "$(readlink -f /bin/sh)" = /usr/bin/dash ] ;;
	*) false ;;
	esac
}

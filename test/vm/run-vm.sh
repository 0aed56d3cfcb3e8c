#!/bin/bash
# SPDX-License-Identifier: MIT
# Boot one kernel on the suite's file system and judge what happened.
#
# usage: run-vm.sh KERNEL INITRD LOG_DIR ACCEL SECONDS [WORD...]
# Exit 0 only when the machine said "verdict 0" and its kernel complained of
# nothing. Silence, a panic, a splat or a timeout fails.
set -euo pipefail

kernel=$1
initrd=$2
logs=$3
accel=$4
seconds=$5
shift 5

# What an emulator is slow at and nothing here depends on, left out: vector
# instructions, supervisor protections, the guest's mitigations. Twice as fast.
cpu=max,-avx,-avx2,-la57,-smap,-smep,-umip,-pku,-fsgsbase,-xsave
options="mitigations=off init_on_alloc=0 norandmaps"

mkdir -p "$logs"
: >"$logs/kernel.log"
: >"$logs/tap.log"
rc=0
timeout -k 5 "$seconds" qemu-system-x86_64 -accel "$accel" -cpu "$cpu" -smp 2 -m 1536 -no-reboot \
	-nodefaults -display none -nic none \
	-kernel "$kernel" -initrd "$initrd" \
	-append "console=ttyS0 loglevel=5 panic=-1 oops=panic panic_on_warn=1 rdinit=/init random.trust_cpu=on $options $*" \
	-serial "file:$logs/kernel.log" -serial "file:$logs/tap.log" \
	</dev/null >"$logs/qemu.log" 2>&1 || rc=$?

if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
	echo "run-vm.sh: no verdict in $seconds s" >&2
	exit 1
fi
if grep -aE 'WARNING:|BUG:|Oops|Kernel panic|general protection|soft lockup|rcu.*stall' "$logs/kernel.log" >&2; then
	echo "run-vm.sh: the kernel complained: see $logs/kernel.log" >&2
	exit 1
fi
grep -qax 'verdict 0' "$logs/tap.log"

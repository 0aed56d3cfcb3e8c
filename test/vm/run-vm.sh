#!/bin/bash
# SPDX-License-Identifier: MIT
# Boot one kernel on the suite's file system and judge what happened.
#
# usage: run-vm.sh [-i] [-c CPUS] [-m MEGABYTES] KERNEL INITRD LOG_DIR ACCEL SECONDS [WORD...]
# With -i, each of the machine's nanoseconds is one instruction that it ran (ACCEL tcg).
# WORDs go on the kernel's command line: what the tests want to know, such as
# connpin.line=6.1, and what the kernel does, such as lockdown=integrity.
#
# Exit 0 only when the machine said "verdict 0" and its kernel complained of
# nothing. Silence, a panic, a splat or a timeout fails.
set -euo pipefail

cpus=2
megabytes=1536
clock=()
while getopts ic:m: option; do
	case $option in
	i) clock=(-icount "shift=0,sleep=off") ;;
	c) cpus=$OPTARG ;;
	m) megabytes=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

kernel=$1
initrd=$2
logs=$3
accel=$4
seconds=$5
shift 5

# What an emulator is slow at and nothing here depends on, left out: vector
# instructions, supervisor protections, the guest's mitigations. Twice as fast.
options="mitigations=off init_on_alloc=0 norandmaps"
# An image for arm64 says so at offset 56. There, signed pointers would cost most; the one
# serial port of the board has the console, one on the bus is left for the suite.
if [ "$(dd if="$kernel" bs=1 skip=56 count=4 2>/dev/null | tr -d '\0')" = ARMd ]; then
	machine=(qemu-system-aarch64 -machine "virt,gic-version=3" -cpu "max,pauth=off")
	console=ttyAMA0
	options+=" connpin.port=ttyS0"
	ports=(-serial "file:$logs/kernel.log" -chardev "file,id=tap,path=$logs/tap.log" -device "pci-serial,chardev=tap")
else
	machine=(qemu-system-x86_64 -cpu "max,-avx,-avx2,-la57,-smap,-smep,-umip,-pku,-fsgsbase,-xsave")
	console=ttyS0
	ports=(-serial "file:$logs/kernel.log" -serial "file:$logs/tap.log")
fi

mkdir -p "$logs"
: >"$logs/kernel.log"
: >"$logs/tap.log"
rc=0
timeout -k 5 "$seconds" "${machine[@]}" -accel "$accel" -smp "$cpus" -m "$megabytes" -no-reboot "${clock[@]}" \
	-nodefaults -display none -nic none \
	-kernel "$kernel" -initrd "$initrd" \
	-append "console=$console loglevel=5 panic=-1 oops=panic panic_on_warn=1 rdinit=/init random.trust_cpu=on $options $*" \
	"${ports[@]}" \
	</dev/null >"$logs/qemu.log" 2>&1 || rc=$?

if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
	echo "run-vm.sh: no verdict in $seconds s" >&2
	exit 1
fi
if grep -aE 'WARNING:|BUG:|Oops|Kernel panic|general protection|Internal error|soft lockup|rcu.*stall' "$logs/kernel.log" >&2; then
	echo "run-vm.sh: the kernel complained: see $logs/kernel.log" >&2
	exit 1
fi
# The last line, and the only one of its kind: whatever comes after it was not judged.
[ "$(tail -n 1 "$logs/tap.log")" = "verdict 0" ] && [ "$(grep -ac '^verdict ' "$logs/tap.log")" -eq 1 ]

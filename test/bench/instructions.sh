#!/bin/sh
# SPDX-License-Identifier: MIT
#
# instructions.sh: what the programs cost, in instructions. A virtual machine with one CPU and
# Linux 6.12, where fentry is not refused, takes a nanosecond for each instruction, so the
# figures of two runs hardly differ; what waits for memory costs nothing there.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
. "$ROOT/scripts/lib.sh"
VM=$ROOT/.output/vm

usage() {
	cat <<-END
		usage: instructions.sh

		Measure and print. Needs make tests, qemu-system-x86, and what scripts/test.sh
		installs.

		Exit status: 0 all measured, 2 misuse, 3 something could not be.
	END
}

main() {
	answer_help "$@"
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_commands qemu-system-x86_64 bats cpio
	WORK=$(mktemp -d)
	trap 'rm -rf "$WORK"' EXIT
	"$ROOT/test/vm/fetch-kernel.sh" 6.12 "$VM/6.12"
	"$ROOT/test/vm/make-initrd.sh" "$ROOT" "$WORK/initrd.cpio"
	verdict=0
	"$ROOT/test/vm/run-vm.sh" -i -c 1 "$VM/6.12/vmlinuz" "$WORK/initrd.cpio" "$WORK" tcg 600 \
		connpin.bench=instructions || verdict=$?
	sed '/^verdict/d' "$WORK/tap.log"
	[ "$verdict" -eq 0 ] || die "the machine did not measure all"
}

main "$@"

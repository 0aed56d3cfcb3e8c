#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The judge of the virtual machines: a machine passes only by its word.

load ../helper

VM=$TREE/.output/vm

trial() {
	"$TREE/test/vm/run-vm.sh" "$VM/6.12/vmlinuz" "$VM/initrd.cpio" "$BATS_TEST_TMPDIR/log" \
		"${ACCEL-tcg}" 60 "connpin.trial=$1"
}

@test "run-vm.sh (machine that says its word) passes it" {
	run -0 trial boot
}

@test "run-vm.sh (machine that ends without a word) fails it" {
	run -1 trial silence
}

@test "run-vm.sh (kernel that warned) fails the machine in spite of its word" {
	run -1 trial splat
	[[ $output = *"the kernel complained"* ]]
}

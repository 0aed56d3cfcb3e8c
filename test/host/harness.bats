#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What judges: a virtual machine passes only by its word, a test only if nothing stays behind.

load ../helper

VM=$TREE/.output/vm
PINS=/sys/fs/bpf/${CONNPIN_TEST_NAME:-connpin_test}_harness

setup_file() {
	mount_bpffs
}

teardown_file() {
	unmount_bpffs
}

teardown() {
	rm -rf "$PINS"
}

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

# judged STATUS LINE...: judge.sh says the last of the LINEs of the TAP in tap, with the
# table in skips, about the machine "m", which ended with STATUS.
judged() {
	SKIPS=$BATS_TEST_TMPDIR/skips run "$TREE/test/judge.sh" m "$BATS_TEST_TMPDIR/tap" "$1"
	echo "$output"
	[ "${lines[-1]}" = "m: $2" ]
	case $2 in
	*", 0 failed,"*) [ "$status" -eq 0 ] ;;
	*) [ "$status" -eq 1 ] ;;
	esac
}

# tap LINE...: as bats prints it, with its plan.
tap() {
	echo "1..$#" >"$BATS_TEST_TMPDIR/tap"
	printf '%s\n' "$@" >>"$BATS_TEST_TMPDIR/tap"
}

@test "judge.sh (all of the plan passed) passes the machine" {
	: >"$BATS_TEST_TMPDIR/skips"
	tap "ok 1 one in 5ms" "ok 2 two in 5ms"
	judged 0 "2 passed, 0 failed, 0 skipped"
}

@test "judge.sh (less than the plan was run, or the status was bad) fails the machine" {
	: >"$BATS_TEST_TMPDIR/skips"
	tap "ok 1 one in 5ms" "ok 2 two in 5ms"
	judged 1 "2 passed, 1 failed, 0 skipped"
	sed -i 's/^1\.\.2/1..3/' "$BATS_TEST_TMPDIR/tap"
	judged 0 "2 passed, 1 failed, 0 skipped"
	: >"$BATS_TEST_TMPDIR/tap"
	judged 0 "0 passed, 1 failed, 0 skipped"
}

@test "judge.sh (skipped what the table says) passes the machine, else fails it" {
	printf '%s\n' 'other,m iron one (a) of *' 'm iron two' 'other iron three' >"$BATS_TEST_TMPDIR/skips"
	tap "ok 1 one (a) of many in 5ms # skip no iron here" "ok 2 two in 5ms # skip no iron here" "ok 3 three in 5ms"
	judged 0 "1 passed, 0 failed, 2 skipped"
	# One that the table does not have, one for another want, one in other words.
	tap "ok 1 one (a) of many in 5ms # skip no iron here" "ok 2 two in 5ms # skip no iron here" \
		"ok 3 three in 5ms # skip no iron here"
	judged 0 "0 passed, 1 failed, 3 skipped"
	tap "ok 1 one (a) of many in 5ms # skip no iron here" "ok 2 two in 5ms # skip no gold here" "ok 3 three in 5ms"
	judged 0 "1 passed, 1 failed, 2 skipped"
	tap "ok 1 one (a) of many in 5ms # skip no iron here" "ok 2 two in 5ms # skip" "ok 3 three in 5ms"
	judged 0 "1 passed, 1 failed, 2 skipped"
	# One that the table has.
	tap "ok 1 one (a) of many in 5ms # skip no iron here" "ok 2 two in 5ms" "ok 3 three in 5ms"
	judged 0 "2 passed, 1 failed, 1 skipped"
}

@test "judge.sh (this host) demands a skip only for what it lacks" {
	printf '%s\n' 'host iron one' 'host iron two' 'host gold three' >"$BATS_TEST_TMPDIR/skips"
	host() {
		SKIPS=$BATS_TEST_TMPDIR/skips "$TREE/test/judge.sh" host "$BATS_TEST_TMPDIR/tap" 0
	}
	tap "ok 1 one in 5ms" "ok 2 two in 5ms" "ok 3 three in 5ms"
	host
	tap "ok 1 one in 5ms # skip no iron here" "ok 2 two in 5ms # skip no iron here" "ok 3 three in 5ms"
	host
	tap "ok 1 one in 5ms # skip no iron here" "ok 2 two in 5ms" "ok 3 three in 5ms"
	run -1 host
	[[ $output = *"in test/skips and not skipped: iron two"* ]]
}

@test "unchanged_since (a map more, a pin less, a map less that nothing pinned) sees the first two" {
	local before
	mkdir "$PINS"
	before=$(bpf_inventory)
	bpftool map create "$PINS/more" type array key 4 value 4 entries 1 name harness_map
	run -1 unchanged_since "$before"
	[[ $output = *harness_map* ]]
	rm "$PINS/more"
	unchanged_since "$before"
	unchanged_since "$before"$'\narray  name harness_map'
	rmdir "$PINS"
	run -1 unchanged_since "$before"
	[[ $output = *"< $PINS" ]]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The identity table under writers that meet: on several processors at once, and
# preempted in the middle. RECORDS_SECONDS: how long, 20.
#
# On a processor of its own that reorders (arm64) this shows what the hardware does. In an
# emulated arm64 machine on x86 it can't: the emulator's loads and stores keep x86's order.
# There it shows that the code for arm64, its atomic instructions included, keeps writers
# apart and readers from mixes. What the order of memory may do is test/litmus's to show.

load ../helper

setup_file() {
	attach
}

teardown_file() {
	detach
}

@test "conn_identity (six processes rewrite the same records) gives no mix of two" {
	run -0 "$TREE/.output/test/records" "$PIN_DIR/maps/conn_identity" "${RECORDS_SECONDS-20}" 6
	printf '# %s\n' "${lines[@]}" >&3
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The identity table while it is written: copies of a record that six processes rewrite.
# RECORDS_SECONDS: how long, 20.
#
# It shows that mixes of two records are read, and that the check refuses them all. That the
# writers keep apart it can't show: a mix that stays takes one that is overtaken in the middle
# of 0.1 us, and the next datagram is the end of it. And in an emulated arm64 machine on x86
# loads and stores keep x86's order. Both is what test/litmus is for.

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

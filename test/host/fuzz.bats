#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper

@test "make fuzz (15 s) finds nothing" {
	run -0 make -C "$TREE" --no-print-directory fuzz FUZZ_SECONDS=15
	echo "$output"
	for target in lookup_args lookup_batch cgi_lookup cgi_list accept settings; do
		[[ $output =~ $target:\ [1-9][0-9]+\ executions ]]
	done
}

#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fuzz.sh SECONDS: each parser that sees outside data, with AddressSanitizer and UBSan, in
# equal parts of SECONDS; for make fuzz. Needs root: the targets ask
# maps of the kernel's, attached in a place of their own. What is found, and what is
# worth keeping, goes to .output/fuzz.
set -eu
TREE=$(cd "$(dirname "$0")/../.." && pwd)
FUZZ=$TREE/.output/fuzz
export PIN_DIR=/sys/fs/bpf/connpin_fuzz RUN_DIR=/run/connpin_fuzz
# Small, so that a list takes no time.
export CONN_V4_ENTRIES=256 CONN_V6_ENTRIES=256
TARGETS="lookup_args lookup_batch cgi_lookup cgi_list accept config"

part=$((${1:?seconds} / 6))
[ "$part" -gt 0 ] || part=1
"$TREE/scripts/attach.sh" 2>/dev/null
trap '"$TREE/scripts/detach.sh" 2>/dev/null; rmdir "$RUN_DIR" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

# Something to be found, and something that is found in each map.
"$TREE/.output/test/traffic" open 20 >/dev/null

rc=0
for target in $TARGETS; do
	mkdir -p "$FUZZ/$target.corpus"
	# 3: both of the helper's own outputs are closed.
	if ! "$FUZZ/$target" -max_total_time="$part" -max_len=600 -timeout=10 -close_fd_mask=3 \
		-print_final_stats=1 -artifact_prefix="$FUZZ/crash-$target-" \
		"$FUZZ/$target.corpus" "$TREE/test/fuzz/corpus/$target" >"$FUZZ/$target.log" 2>&1; then
		echo "$target: failed: see $FUZZ/$target.log"
		rc=1
	fi
	echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$FUZZ/$target.log") executions"
done
exit "$rc"

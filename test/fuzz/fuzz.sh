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
TARGETS="lookup_args lookup_batch cgi_lookup cgi_list accept settings"

part=$((${1:?seconds} / 6))
[ "$part" -gt 0 ] || part=1
"$TREE/scripts/attach.sh" 2>/dev/null
trap '"$TREE/scripts/detach.sh" 2>/dev/null; rmdir "$RUN_DIR" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

# Something to be found in each map, and questions that find it.
"$TREE/.output/test/traffic" open 20 >/dev/null
"$TREE/.output/test/traffic" open 20 ::1 >/dev/null
mkdir -p "$FUZZ/cgi_lookup.corpus" "$FUZZ/lookup_batch.corpus"
for dst in 127.0.0.1 ::1; do
	"$TREE/helpers/conn-list" --dst "$dst" | head -n 3 | cut -d ' ' -f 1-4 |
		while read -r protocol dst sport dport; do
			echo "$protocol $dst $sport $dport" >"$FUZZ/lookup_batch.corpus/$protocol$sport"
			printf 'dst=%s&sport=%s&dport=%s&protocol=%s' "$dst" "$sport" "$dport" "$protocol" \
				>"$FUZZ/cgi_lookup.corpus/$protocol$sport"
		done
done

rc=0
for target in $TARGETS; do
	mkdir -p "$FUZZ/$target.corpus"
	# 3: both of the helper's own outputs are closed.
	if ! "$FUZZ/$target" -max_total_time="$part" -max_len=5000 -timeout=10 -close_fd_mask=3 \
		-print_final_stats=1 -artifact_prefix="$FUZZ/crash-$target-" \
		"$FUZZ/$target.corpus" "$TREE/test/fuzz/corpus/$target" >"$FUZZ/$target.log" 2>&1; then
		echo "$target: failed: see $FUZZ/$target.log"
		rc=1
	fi
	echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$FUZZ/$target.log") executions"
done
exit "$rc"

#!/bin/sh
# SPDX-License-Identifier: MIT
#
# attribution.sh: 100,000 connections and datagrams of 50 processes in a random mix, on
# this host's kernel, and a look-up of each. Fails for one wrong name.
#
# What is missed is what the tables no longer hold: so they are made large enough first
# (none may be missed then), and then as large as they are by default.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
. "$ROOT/scripts/lib.sh"
. "$ROOT/test/soak/attached.sh"

WAYS=$ROOT/.output/test/ways
COUNT=100000
PROCESSES=50

# The mix holds on until its standard input ends: its processes are gone, it is not.
make_connections() {
	"$WAYS" mix "$PROCESSES" "$COUNT" </dev/null >"$WORK/mix" || die "the mix failed"
	# In the order in which they were made, a tuple once: it is always the same process's.
	grep -v '^done$' "$WORK/mix" | awk '!seen[$0]++' >"$WORK/made"
	cut -d ' ' -f 1-4 "$WORK/made" >"$WORK/questions"
}

# round TITLE: attach, connect, ask. Counts of what was answered.
round() {
	attach
	make_connections
	"$ROOT/helpers/conn-lookup" - <"$WORK/questions" >"$WORK/answers"
	printf '%s: ' "$1"
	"$ROOT/scripts/detach.sh" >/dev/null 2>&1
}

main() {
	need_root
	[ -x "$WAYS" ] || die "the tests are not built: run make tests"
	WORK=$(mktemp -d)
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	CONN_V4_ENTRIES=262144 CONN_V6_ENTRIES=65536
	export CONN_V4_ENTRIES CONN_V6_ENTRIES
	round 'tables that hold all'
	/usr/bin/python3 "$ROOT/test/compare_answers.py" "$WORK/made" "$WORK/answers"
	CONN_V4_ENTRIES=65536 CONN_V6_ENTRIES=16384
	round 'tables as they are by default'
	/usr/bin/python3 "$ROOT/test/compare_answers.py" --misses "$COUNT" "$WORK/made" "$WORK/answers"
}

main "$@"

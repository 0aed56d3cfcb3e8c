#!/bin/sh
# SPDX-License-Identifier: MIT
#
# processes.sh: 65,536 connections of one process, and 65,536 processes with one connection
# each, which have ended when they are asked for. Fails for one wrong answer.
#
# What is missing is what the tables no longer hold. It is counted, and only when much more
# of it is missing than by chance the test fails too, because it would see nothing then.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
. "$ROOT/scripts/lib.sh"
. "$ROOT/test/soak/attached.sh"

CROWD=$ROOT/.output/test/crowd
COUNT=65536
PARENTS=4
EXECUTABLES=16

# make_crowd ARGUMENT...: its lines are in $WORK/made.
make_crowd() {
	: >"$WORK/made"
	"$CROWD" "$@" >>"$WORK/made" || die "the crowd failed"
}

# ask: a question for each line of $WORK/made. Then nothing more is needed of the kernel.
ask() {
	cut -d ' ' -f 1-4 "$WORK/made" | "$ROOT/helpers/conn-lookup" - >"$WORK/answers"
	"$ROOT/scripts/detach.sh" >/dev/null 2>&1
}

# connections LEAST: of the latest that the connection table has room for, LEAST are right.
connections() {
	printf '%s:\n' "$COUNT connections of one process, room for $CONN_V4_ENTRIES"
	attach
	make_crowd connections "$COUNT"
	tail -n "$CONN_V4_ENTRIES" "$WORK/made" >"$WORK/newest"
	mv "$WORK/newest" "$WORK/made"
	ask
	/usr/bin/python3 "$ROOT/test/compare_answers.py" --misses $((COUNT - $1)) "$WORK/made" \
		"$WORK/answers"
}

# processes HELD LEAST: of the latest HELD, LEAST are right.
processes() {
	printf '%s:\n' "$COUNT processes with one connection each, room for $CONN_PROCESSES"
	attach
	make_crowd processes "$COUNT" "$PARENTS" "$WORK"
	ask
	/usr/bin/python3 "$ROOT/test/compare_processes.py" "$WORK/made" "$WORK/answers" \
		"$WORK" "$PARENTS" "$1" "$2"
}

main() {
	need_root
	[ -x "$CROWD" ] || die "the tests are not built: run make tests"
	WORK=$(mktemp -d)
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	for number in $(seq 0 $((EXECUTABLES - 1))); do
		cp "$CROWD" "$WORK/one-$number"
	done
	# As they are by default. A bucket that gets more than its share loses some.
	CONN_V4_ENTRIES=65536 CONN_PROCESSES=4096
	export CONN_V4_ENTRIES CONN_PROCESSES
	connections 60000
	processes "$CONN_PROCESSES" 3500
	# Tables that hold all.
	CONN_V4_ENTRIES=524288 CONN_PROCESSES=262144
	processes "$COUNT" 65500
}

main "$@"

#!/bin/sh
# SPDX-License-Identifier: MIT
# Judge what a machine of the matrix said.
#
# usage: judge.sh MACHINE TAP EXIT_STATUS
# Prints what failed and was skipped; the last line is "MACHINE: N passed, N failed, N
# skipped". A run that did not carry out its plan, that ended badly with no failure to
# show, or that skipped other tests than SKIPS (test/skips) has for it, has a failure more.
# Exit status: 0 nothing failed, else 1.
set -eu
SKIPS=${SKIPS-$(dirname "$(readlink -f "$0")")/skips}

# compare_skips MACHINE TAP: what was skipped with what test/skips lists; a line for each
# difference. "ok 3 NAME in 12ms # skip no WORD here" is what bats prints of one.
compare_skips() {
	sed -n 's/^ok [0-9]* \(.*\) # skip no \([a-z0-9_]*\) here$/\2 \1/p; t
		s/^ok [0-9]* \(.*\) # skip.*/? \1/p' "$2" |
		sed 's/ in [0-9]*ms$//' |
		awk -v machine="$1" '
			function matches(name, test) {
				if (test ~ /\*$/)
					return index(name, substr(test, 1, length(test) - 1)) == 1
				return name == test
			}
			FNR == NR {
				if ($0 ~ /^#/ || index("," $1 ",", "," machine ",") == 0)
					next
				word[++rows] = $2
				test[rows] = $0
				sub(/^[^ ]+ +[^ ]+ +/, "", test[rows])
				next
			}
			{
				name = substr($0, length($1) + 2)
				lacking[$1] = 1
				for (i = 1; i <= rows; i++)
					if (word[i] == $1 && matches(name, test[i]))
						break
				if (i <= rows)
					seen[i] = 1
				else
					print "skipped and not in test/skips: " $0
			}
			END {
				for (i = 1; i <= rows; i++)
					if (!seen[i] && (machine != "host" || lacking[word[i]]))
						print "in test/skips and not skipped: " word[i], test[i]
			}' "$SKIPS" -
}

main() {
	machine=$1 tap=$2 status=$3
	passed=$(grep -ac '^ok ' "$tap" || true)
	skipped=$(grep -aEc '^ok .*# skip' "$tap" || true)
	failed=$(grep -ac '^not ok ' "$tap" || true)
	plan=$(sed -n 's/^1\.\.\([0-9][0-9]*\).*/\1/p' "$tap" | head -n 1)
	run_in_all=$((passed + failed))
	passed=$((passed - skipped))
	grep -aE '^not ok |^# |^ok .*# skip' "$tap" | sed "s/^/$machine: /" || true
	if [ "$run_in_all" -ne "${plan:-0}" ] || [ "$run_in_all" -eq 0 ]; then
		echo "$machine: $run_in_all of ${plan:-an unknown number of} tests were run"
		failed=$((failed + 1))
	elif [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
		echo "$machine: the run ended with status $status"
		failed=1
	fi
	differences=$(compare_skips "$machine" "$tap")
	if [ -n "$differences" ]; then
		printf '%s\n' "$differences" | sed "s/^/$machine: /"
		failed=$((failed + 1))
	fi
	echo "$machine: $passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}

main "$@"

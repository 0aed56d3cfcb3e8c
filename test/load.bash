# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# load.bash: connections at a steady rate while something else is done, and whether each
# was attributed and counted. For the tests of upgrades.

# start_load RATE SECONDS: and samples of the counters all the while. In LOAD_PORT.
start_load() {
	COUNTED_BEFORE=$(metric tcp_active_connections_total)
	start load "$TREE/.output/test/load" 4 "$1" "$2"
	LOAD_PORT=${FIRST#ready }
	LOAD_PID=$PID
	LOAD_FD=${HELD##* }
	HELD=${HELD% *}
	(
		# Or the load would never see the end of its input.
		exec {LOAD_FD}>&-
		while :; do
			# As the server does, who may do less than root while pins are exchanged.
			setpriv --reuid 65534 --regid connpin --clear-groups "$HELPERS/tcp-metrics" |
				grep -v '^#' >"$BATS_TEST_TMPDIR/sample" || echo "no metrics"
			tr '\n' ' ' <"$BATS_TEST_TMPDIR/sample"
			echo
			sleep "${SAMPLE_SECONDS-0.02}"
		done >"$BATS_TEST_TMPDIR/samples" 2>&1
	) 3>&- &
	SAMPLER=$!
	STARTED="$STARTED $SAMPLER"
}

# The load ends by itself; each connection is looked up, and the samples compared.
# In CONNECTIONS and COUNTED, how many there were and how many more the counter says.
# shellcheck disable=SC2034 # for the tests
end_load() {
	wait "$LOAD_PID"
	stop_load
	kill "$SAMPLER"
	wait "$SAMPLER" 2>/dev/null || true
	COUNTED=$(($(metric tcp_active_connections_total) - COUNTED_BEFORE))
	CONNECTIONS=$(sed -n 's/^done //p' "$BATS_TEST_TMPDIR/load.out")
	grep -v '[a-z]' "$BATS_TEST_TMPDIR/load.out" >"$BATS_TEST_TMPDIR/opened"
	sed "s/\([0-9]*\) .*/tcp 127.0.0.1 \1 $LOAD_PORT/" "$BATS_TEST_TMPDIR/opened" |
		"$HELPERS/conn-lookup" - | sed 's/^{"pid":\([0-9]*\),.*/\1/' >"$BATS_TEST_TMPDIR/found"
	sed 's/.* //' "$BATS_TEST_TMPDIR/opened" | diff - "$BATS_TEST_TMPDIR/found" >"$BATS_TEST_TMPDIR/wrong" || {
		echo "unattributed or wrong: $(grep -c '^[<]' "$BATS_TEST_TMPDIR/wrong") of $CONNECTIONS"
		head -n 5 "$BATS_TEST_TMPDIR/wrong"
		return 1
	}
	no_line 'no metrics|not attached|cannot' cat "$BATS_TEST_TMPDIR/samples"
	# Counters, and what histograms count; gauges go down as well, and what counts from the
	# moment a program was loaded.
	awk '{
		for (i = 1; i < NF; i += 2) {
			if ($i !~ /_(total|count|bucket|sum)(\{|$)/ || $i ~ /^connpin_program_/)
				continue
			if ($(i + 1) < last[$i]) { print $i, "went from", last[$i], "to", $(i + 1); bad = 1 }
			last[$i] = $(i + 1)
		}
	} END { print NR, "samples"; exit bad || NR < 5 }' "$BATS_TEST_TMPDIR/samples"
}

# End of file for the load: it ends before its time.
stop_load() {
	[ -z "$LOAD_FD" ] || exec {LOAD_FD}>&-
	LOAD_FD=
}

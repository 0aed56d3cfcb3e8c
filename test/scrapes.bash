#!/bin/bash
# SPDX-License-Identifier: MIT
# Connections by four processes while the metrics are read all the time: every count
# arrives, and none ever goes down.
#
# usage: scrapes.bash COUNT TRAFFIC TCP_METRICS; connpin is attached. Runs in a network
# namespace of its own. Prints "N scrapes" and what was counted; exit 1 when a count is
# lost or goes down.
set -euo pipefail

count=$1 traffic=$2 tcp_metrics=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Counters and all that a histogram has, by name; the time of a scrape is none.
counters() {
	"$tcp_metrics" | grep -E '^[a-z_]+(_total|_count|_sum|_bucket)[ {]' | sort
}

value() {
	sed -n "s/^$2 //p" "$1"
}

counters >"$work/first"
pids=
for _ in 1 2 3 4; do
	"$traffic" open $((count / 4)) &
	pids="$pids $!"
done
cp "$work/first" "$work/before"
scrapes=0
running=1
while [ "$running" -eq 1 ]; do
	running=0
	for pid in $pids; do
		! kill -0 "$pid" 2>/dev/null || running=1
	done
	counters >"$work/after"
	scrapes=$((scrapes + 1))
	# A cgroup that is gone moves to "other"; here none goes.
	join -t '~' <(sed 's/ \([^ ]*\)$/~\1/' "$work/before" | sort) \
		<(sed 's/ \([^ ]*\)$/~\1/' "$work/after" | sort) |
		awk -F '~' '$3 + 0 < $2 + 0 { print "went down:", $1, $2, $3; bad = 1 } END { exit bad }'
	cp "$work/after" "$work/before"
done
for pid in $pids; do
	wait "$pid"
done
counters >"$work/after"
rc=0
for name in tcp_active_connections_total tcp_passive_connections_total \
	tcp_connect_duration_seconds_count 'tcp_connection_duration_seconds_count:2' \
	'tcp_family_active_connections_total{family="ipv4"}'; do
	ends=${name##*:}
	[ "$ends" != "$name" ] || ends=1
	got=$(($(value "$work/after" "${name%:*}") - $(value "$work/first" "${name%:*}")))
	echo "${name%:*}: $got of $((ends * (count / 4) * 4))"
	[ "$got" -ge $((ends * (count / 4) * 4)) ] || rc=1
done
echo "$scrapes scrapes"
exit "$rc"

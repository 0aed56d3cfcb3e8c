#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A real Prometheus scrapes a real connpin; the rules and the dashboard are held to it.

load ../helper

HERE=$TREE/test/host/prometheus
TOOLS=$TREE/.output/tools
ADDRESS=127.0.0.1:$((${LISTEN##*:} + 2))
TRAFFIC_CGROUP=/${CONNPIN_TEST_NAME-connpin_test}_traffic

setup_file() {
	attach
	"$SCRIPTS/serve.sh" -b >"$BATS_FILE_TMPDIR/serve.log" 2>&1 3>&-
	# The configuration as it is shipped, but for the times and the place, and the
	# other path as a job of its own.
	sed -e 's/15s/1s/' -e "s/127\.0\.0\.1:9090'/$LISTEN'/" "$TREE/etc/prometheus/prometheus.yml" \
		>"$BATS_FILE_TMPDIR/prometheus.yml"
	cat >>"$BATS_FILE_TMPDIR/prometheus.yml" <<-END
		  - job_name: redirected
		    static_configs:
		      - targets: ['$LISTEN']
	END
	cp "$TREE/etc/prometheus/connpin.rules.yml" "$BATS_FILE_TMPDIR"
	"$TOOLS/prometheus" --config.file="$BATS_FILE_TMPDIR/prometheus.yml" \
		--storage.tsdb.path="$BATS_FILE_TMPDIR/data" --web.listen-address="$ADDRESS" \
		>"$BATS_FILE_TMPDIR/log" 2>&1 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/pid"
}

teardown_file() {
	kill "$(cat "$BATS_FILE_TMPDIR/pid")"
	"$SCRIPTS/serve.sh" -k
	detach
	find "$CGROUP_ROOT" -maxdepth 1 -name "${TRAFFIC_CGROUP#/}*" -exec rmdir {} +
}

# ask EXPRESSION: the values, a line each.
ask() {
	/usr/bin/python3 "$HERE/query.py" "http://$ADDRESS" "$1"
}

# answers EXPRESSION VALUE: poll until Prometheus says so.
answers() {
	local said=''
	is() {
		said=$(ask "$1" 2>/dev/null) && [ "$said" = "$2" ]
	}
	poll is "$1" "$2" || {
		echo "$1 is: $said"
		return 1
	}
}

# newest METRIC JOB: as of the last scrape.
newest() {
	ask "$1{job=\"$2\"}" | cut -d . -f 1
}

# In a cgroup of its own.
traffic() {
	mkdir -p "$CGROUP_ROOT$TRAFFIC_CGROUP"
	sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' - "$CGROUP_ROOT$TRAFFIC_CGROUP" "$TRAFFIC" "$@"
}

@test "Prometheus finds the configuration and the rules right" {
	run -0 "$TOOLS/promtool" check config "$TREE/etc/prometheus/prometheus.yml"
	[[ $output != *FAILED* ]]
	[[ $output = *'1 rule files found'* ]]
	run -0 "$TOOLS/promtool" check rules --lint-fatal "$TREE/etc/prometheus/connpin.rules.yml"
	answers 'count(up == 1)' 2
	answers 'count(count by (__name__) ({__name__=~"connpin:tcp_attempts:rate5m"}))' 1
}

@test "each rule passes its test, and has one" {
	run -0 "$TOOLS/promtool" test rules "$HERE/rules_test.yml"
	echo "$output"
	grep -E '^ *- (record|alert): ' "$TREE/etc/prometheus/connpin.rules.yml" >"$BATS_TEST_TMPDIR/rules"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/rules")" -ge 15 ]
	while read -r _ kind name; do
		case $kind in
		record:) grep -qF "expr: $name" "$HERE/rules_test.yml" || grep -qF "($name" "$HERE/rules_test.yml" ;;
		alert:) [ "$(grep -cF "alertname: $name" "$HERE/rules_test.yml")" -ge 2 ] || [ "$name" = ConnpinConnectsFail ] ;;
		esac || {
			echo "no test of $name"
			return 1
		}
	done <"$BATS_TEST_TMPDIR/rules"
}

@test "PromQL answers with what was caused, by /metrics and /cgi-bin/metrics" {
	answers 'count(up == 1)' 2
	for job in connpin redirected; do
		for name in active passive failed; do
			newest "tcp_${name}_connections_total" "$job" >"$BATS_TEST_TMPDIR/$job.$name"
		done
	done
	traffic open 40
	traffic refuse 30
	for job in connpin redirected; do
		for pair in active:40 passive:40 failed:30; do
			name=tcp_${pair%:*}_connections_total
			want=$(($(cat "$BATS_TEST_TMPDIR/$job.${pair%:*}") + ${pair#*:}))
			enough() {
				[ "$(newest "$name" "$job")" -ge "$want" ]
			}
			poll enough
			# Not more than there is: others on this host may go on meanwhile.
			[ "$(newest "$name" "$job")" -le "$(metric "$name")" ]
		done
	done
}

@test "PromQL answers with exactly what one cgroup did" {
	answers 'count(up == 1)' 2
	TRAFFIC_CGROUP+=_exact
	traffic open 25
	traffic refuse 15
	answers "tcp_cgroup_active_connections_total{job=\"connpin\", cgroup=\"$TRAFFIC_CGROUP\"}" 25
	answers "tcp_cgroup_failed_connections_total{job=\"connpin\", cgroup=\"$TRAFFIC_CGROUP\"}" 15
	rmdir "$CGROUP_ROOT$TRAFFIC_CGROUP"
}

@test "a cgroup named by an enemy is one label, which Prometheus reads back" {
	# All but a line end, which the kernel refuses.
	local name='_<b>"\x{y="z"} 1'
	TRAFFIC_CGROUP+=$name
	traffic refuse 3
	"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/text"
	run -0 "$TOOLS/promtool" check metrics <"$BATS_TEST_TMPDIR/text"
	[ -z "$output" ]
	name=${TRAFFIC_CGROUP//\\/\\\\}
	answers "tcp_cgroup_failed_connections_total{job=\"connpin\", cgroup=\"${name//\"/\\\"}\"}" 3
	rmdir "$CGROUP_ROOT$TRAFFIC_CGROUP"
}

@test "each query of the Grafana dashboard gives data" {
	# Something of everything in the time that the queries look at.
	for _ in 1 2 3 4 5; do
		traffic open 20
		traffic refuse 5
		sleep 0.5
	done
	run -0 /usr/bin/python3 "$HERE/query.py" "http://$ADDRESS" --dashboard "$TREE/etc/grafana/connpin.json" connpin
	echo "$output"
	[[ $output = *', 0 without data' ]]
}

@test "Prometheus (connpin detached) sees that the host gives no metrics" {
	answers 'count(up == 1)' 2
	detach
	answers 'count(up == 0)' 2
	attach
	answers 'count(up == 1)' 2
}

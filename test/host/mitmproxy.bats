#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The mitmproxy add-on: each flow with its process. The real mitmproxy, real clients.

load ../helper

HERE=$TREE/test/host
ADDON=$TREE/etc/mitmproxy/connpin_addon.py
PROXY_PORT=$((${LISTEN##*:} + 1))
NAMES="${CONNPIN_TEST_NAME-connpin_test}_clients ${CONNPIN_TEST_NAME-connpin_test}_proxy"
PROCESSES=20 EACH=25

setup_file() {
	attach
	# Each client is a program of its own: the same one, under another name.
	mkdir "$BATS_FILE_TMPDIR/bin"
	for i in $(seq "$PROCESSES"); do
		cp "$(type -P curl)" "$BATS_FILE_TMPDIR/bin/client-$i"
	done
}

teardown_file() {
	detach
}

teardown() {
	stop_all
	for name in $NAMES; do
		[ ! -e "/run/netns/$name" ] || ip netns del "$name"
	done
}

# proxy WORD...: mitmdump with the add-on, behind the words of COMMAND if any.
proxy() {
	export CONNPIN_FLOW_LOG=$BATS_TEST_TMPDIR/flows HOME=$BATS_TEST_TMPDIR
	# shellcheck disable=SC2086 # words
	start proxy ${COMMAND-} mitmdump -s "$ADDON" -s "$HERE/flow_log.py" --set flow_detail=0 \
		--set connpin_lookup="${LOOKUP-$HELPERS/conn-lookup}" --listen-port "$PROXY_PORT" "$@"
	PROXY=$PID
	poll grep -q 'listening at' "$BATS_TEST_TMPDIR/proxy.out"
}

origin() {
	# shellcheck disable=SC2086 # words
	start origin ${COMMAND-} /usr/bin/python3 "$HERE/origin.py" "$1" "$2"
	ORIGIN=${FIRST#ready }
}

# clients URL WORD...: all at once, each telling who it is in its headers.
clients() {
	local i pid pids='' url=$1
	shift
	for i in $(seq "$PROCESSES"); do
		# shellcheck disable=SC2086 # words
		${COMMAND-} sh -c 'exe=$1 && shift && exec "$exe" -H "X-Pid: $$" -H "X-Exe: $exe" "$@"' - \
			"$BATS_FILE_TMPDIR/bin/client-$i" -sS -m 60 -H 'Connection: close' -o /dev/null \
			"$@" "$url/[1-$EACH]" 3>&- &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid"
	done
}

# Every flow with the process that its client said it is, each from a port of its own.
check_flows() {
	local all=$((PROCESSES * EACH))
	all_logged() {
		[ "$(wc -l <"$CONNPIN_FLOW_LOG")" -ge "$all" ]
	}
	poll all_logged
	/usr/bin/python3 - "$CONNPIN_FLOW_LOG" "$all" "$PROCESSES" "$1" <<-'END'
		import json, sys
		flows = [json.loads(line) for line in open(sys.argv[1])]
		assert len(flows) == int(sys.argv[2]), len(flows)
		# Nearly all: a port that is free again may come again.
		assert len({f["port"] for f in flows}) > len(flows) * 0.9, "connections had several flows"
		assert len({f["pid"] for f in flows}) == int(sys.argv[3])
		wrong = [f for f in flows if not (
		    f["connpin"].get("pid") == f["pid"]
		    and f["connpin"]["exe"] == f["exe"]
		    and f["connpin"]["status"] == "live"
		    and f["connpin"]["src_port"] == f["port"]
		    and f["connpin"]["dst_ip"] == sys.argv[4])]
		assert not wrong, (len(wrong), wrong[:3])
	END
}

# How often the proxy warned that nobody answers.
warnings() {
	poll grep -q "without their process: .*$1" "$BATS_TEST_TMPDIR/proxy.out"
	grep -c "without their process" "$BATS_TEST_TMPDIR/proxy.out"
}

# One coprocess for all of them, and it goes with the proxy.
check_coprocess() {
	local lookups
	lookups=$(pgrep -P "$PROXY" -x conn-lookup)
	[ "$(echo "$lookups" | wc -l)" -eq 1 ]
	kill -INT "$PROXY"
	gone() {
		[ ! -e "/proc/$lookups" ]
	}
	poll gone
}

@test "connpin_addon.py (regular mode) gives 500 flows of 20 processes each its own" {
	origin 127.0.0.1 0
	proxy --listen-host 127.0.0.1
	clients "http://127.0.0.1:$ORIGIN" -x "http://127.0.0.1:$PROXY_PORT"
	check_flows 127.0.0.1
	grep -q 'connpin: 127.0.0.1:[0-9]* is process [0-9]* ".*/client-20"$' "$BATS_TEST_TMPDIR/proxy.out"
	check_coprocess
}

@test "connpin_addon.py (regular mode, clients by IPv6 and as ::ffff:) gives the process" {
	origin 127.0.0.1 0
	proxy
	EACH=1 PROCESSES=2 clients "http://127.0.0.1:$ORIGIN" -x "http://[::1]:$PROXY_PORT"
	EACH=1 PROCESSES=2 check_flows ::1
	: >"$CONNPIN_FLOW_LOG"
	EACH=1 PROCESSES=2 clients "http://127.0.0.1:$ORIGIN" -x "http://[::ffff:127.0.0.1]:$PROXY_PORT"
	EACH=1 PROCESSES=2 check_flows 127.0.0.1
}

# Entered by nsenter: "ip netns exec" puts a fresh /sys in the place of ours, without the pins.
# Clients in a network namespace whose way out leads through the proxy's.
make_namespaces() {
	# shellcheck disable=SC2086 # two words
	set -- $NAMES
	ip netns add "$1"
	ip netns add "$2"
	ip -n "$1" link add eth0 type veth peer name eth0 netns "$2"
	ip -n "$1" addr add 192.0.2.2/24 dev eth0
	ip -n "$2" addr add 192.0.2.1/24 dev eth0
	for name; do
		ip -n "$name" link set lo up
		ip -n "$name" link set eth0 up
	done
	ip -n "$1" route add default via 192.0.2.1
	# The address of the far away server.
	ip -n "$2" addr add 198.51.100.7/32 dev lo
	ip netns exec "$2" nft -f - <<-END
		table ip proxy {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				ip daddr 198.51.100.7 tcp dport 80 redirect to :$PROXY_PORT
			}
		}
	END
}

@test "connpin_addon.py (transparent mode) gives 500 flows of 20 processes each its own" {
	make_namespaces
	COMMAND="nsenter --net=/run/netns/${NAMES#* }"
	origin 198.51.100.7 80
	proxy --mode transparent
	COMMAND="nsenter --net=/run/netns/${NAMES% *}"
	clients http://198.51.100.7
	check_flows 198.51.100.7
	check_coprocess
}

@test "connpin_addon.py (transparent mode, the proxy used the same ports) names the client" {
	make_namespaces
	# The proxy's connections go where the client's went, from the same few ports.
	for name in $NAMES; do
		nsenter --net="/run/netns/$name" sysctl -qw net.ipv4.ip_local_port_range='40000 40031' \
			net.ipv4.tcp_tw_reuse=1
	done
	COMMAND="nsenter --net=/run/netns/${NAMES#* }"
	origin 198.51.100.7 80
	proxy --mode transparent
	COMMAND="nsenter --net=/run/netns/${NAMES% *}"
	for _ in 1 2; do
		EACH=10 PROCESSES=1 clients http://198.51.100.7
	done
	all() {
		[ "$(wc -l <"$CONNPIN_FLOW_LOG")" -eq 20 ]
	}
	poll all
	grep -q '"matches": 2' "$CONNPIN_FLOW_LOG"
	[ "$(grep -c '"exe": ".*/client-1", .*"exe": ".*/client-1"' "$CONNPIN_FLOW_LOG")" -eq 20 ]
}

@test "connpin_addon.py (DNS mode) looks the sender up as UDP" {
	proxy --set dns_server=true --set dns_listen_host=127.0.0.1 \
		--set dns_listen_port=$((PROXY_PORT + 1)) --set dns_mode=regular
	run -0 /usr/bin/python3 "$HERE/dns_client.py" 127.0.0.1 $((PROXY_PORT + 1)) localhost
	poll test -s "$CONNPIN_FLOW_LOG"
	grep -q "\"pid\": ${output% *}[,}]" "$CONNPIN_FLOW_LOG"
	grep -q '"protocol": "udp"' "$CONNPIN_FLOW_LOG"
}

@test "connpin_addon.py (not attached) goes on, says so once, and answers after attach" {
	detach
	origin 127.0.0.1 0
	proxy --listen-host 127.0.0.1
	EACH=5 PROCESSES=4 clients "http://127.0.0.1:$ORIGIN" -x "http://127.0.0.1:$PROXY_PORT"
	twenty() {
		[ "$(grep -c '"error": ".*not attached' "$CONNPIN_FLOW_LOG")" -eq 20 ]
	}
	poll twenty
	[ "$(warnings 'attach.sh')" -eq 1 ]
	attach
	answers() {
		: >"$CONNPIN_FLOW_LOG"
		EACH=1 PROCESSES=1 clients "http://127.0.0.1:$ORIGIN" -x "http://127.0.0.1:$PROXY_PORT"
		grep -q 'connpin: answers again' "$BATS_TEST_TMPDIR/proxy.out"
	}
	poll answers
	EACH=1 PROCESSES=1 check_flows 127.0.0.1
}

@test "connpin_addon.py (conn-lookup that never answers, or is missing) goes on" {
	origin 127.0.0.1 0
	cat >"$BATS_TEST_TMPDIR/silent" <<-'END'
		#!/bin/sh
		exec sleep 60
	END
	chmod +x "$BATS_TEST_TMPDIR/silent"
	LOOKUP=$BATS_TEST_TMPDIR/silent
	proxy --listen-host 127.0.0.1
	EACH=3 PROCESSES=1 clients "http://127.0.0.1:$ORIGIN" -x "http://127.0.0.1:$PROXY_PORT"
	[ "$(warnings 'no answer in 1 s')" -eq 1 ]
	stop_all
	rm "$BATS_TEST_TMPDIR"/{origin,proxy}.*
	origin 127.0.0.1 0
	LOOKUP=/nonexistent/conn-lookup
	proxy --listen-host 127.0.0.1
	EACH=3 PROCESSES=1 clients "http://127.0.0.1:$ORIGIN" -x "http://127.0.0.1:$PROXY_PORT"
	[ "$(warnings 'No such file')" -eq 1 ]
}

@test "dns_owner.py (redirected queries) names the sender by its source port" {
	make_namespaces
	# shellcheck disable=SC2086 # two words
	set -- $NAMES
	ip netns exec "$2" nft add rule ip proxy prerouting ip daddr 198.51.100.53 udp dport 53 redirect to :5353
	ip -n "$2" addr add 198.51.100.53/32 dev lo
	COMMAND="nsenter --net=/run/netns/$2"
	# shellcheck disable=SC2086 # words
	start upstream $COMMAND /usr/bin/python3 "$HERE/dns_server.py" 198.51.100.7 53
	PATH=$HELPERS:$PATH
	# shellcheck disable=SC2086 # words
	start relay $COMMAND /usr/bin/python3 "$TREE/etc/mitmproxy/dns_owner.py" 5353 198.51.100.7 53
	for number in 1 2 3; do
		run -0 ip netns exec "$1" /usr/bin/python3 "$HERE/dns_client.py" 198.51.100.53 53 "name-$number.example"
		[ "${output#* }" = 192.0.2.99 ]
		line=$(grep "^name-$number.example" "$BATS_TEST_TMPDIR/relay.out")
		grep -q "\"pid\": ${output% *}[,}]" <<<"$line"
		[[ $line = *'"dst_ip": "198.51.100.53"'* ]]
	done
}

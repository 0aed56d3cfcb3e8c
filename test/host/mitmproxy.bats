#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The mitmproxy add-on: each flow with its process. The real mitmproxy, real clients.

load ../helper

HERE=$TREE/test/host
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
	# A process that was stopped does not end.
	[ -z "${PROXY-}" ] || kill -CONT "$PROXY" 2>/dev/null || true
	stop_all
	rm -rf "/tmp/connpin-forger-$$.py" "/tmp/connpin-proxy-$$"
	for name in $NAMES; do
		[ ! -e "/run/netns/$name" ] || ip netns del "$name"
	done
}

# proxy WORD...: mitmdump with the add-on, behind the words of COMMAND if any.
proxy() {
	local dir=${FILES-$BATS_TEST_TMPDIR}
	export CONNPIN_FLOW_LOG=$dir/flows HOME=$dir
	# shellcheck disable=SC2086 # words
	start proxy ${COMMAND-} mitmdump -s "${FILES-$TREE/etc/mitmproxy}/connpin_addon.py" \
		-s "${FILES-$HERE}/flow_log.py" --set flow_detail=0 \
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

# A port that a client used.
first_port() {
	sed -n '1s/.*"port": \([0-9]*\).*/\1/p' "$CONNPIN_FLOW_LOG"
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
	# By port and destination alone it might be either of the two.
	seq -f 'tcp 198.51.100.7 %.0f 80' 40000 40031 | "$HELPERS/conn-lookup" --netns any - >"$BATS_TEST_TMPDIR/any"
	grep -q '"matches":2' "$BATS_TEST_TMPDIR/any"
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
	[ "$(warnings 'run scripts/attach.sh')" -eq 1 ]
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

@test "connpin_addon.py (1,100 descriptors open, 500 flows) gives each its own" {
	origin 127.0.0.1 0
	# Every descriptor that the proxy opens is above 1,023: more than select(2) can take.
	cat >"$BATS_TEST_TMPDIR/crowd" <<-'END'
		#!/bin/bash
		ulimit -n 8192
		for _ in {1..1100}; do exec {fd}</dev/null; done
		exec "$@"
	END
	chmod +x "$BATS_TEST_TMPDIR/crowd"
	COMMAND=$BATS_TEST_TMPDIR/crowd
	proxy --listen-host 127.0.0.1
	COMMAND=
	clients "http://127.0.0.1:$ORIGIN" -x "http://127.0.0.1:$PROXY_PORT"
	[ "$(find "/proc/$PROXY/fd" -mindepth 1 | wc -l)" -gt 1100 ]
	check_flows 127.0.0.1
	check_coprocess
}

@test "connpin_addon.py (conn-lookup stops answering) goes on, and asks another one" {
	origin 127.0.0.1 0
	proxy --listen-host 127.0.0.1
	one_flow() {
		: >"$CONNPIN_FLOW_LOG"
		EACH=1 PROCESSES=1 clients "http://127.0.0.1:$ORIGIN" -x "http://127.0.0.1:$PROXY_PORT"
		poll test -s "$CONNPIN_FLOW_LOG"
	}
	one_flow
	stopped=$(pgrep -P "$PROXY" -x conn-lookup)
	kill -STOP "$stopped"
	# A second for the question that was asked, and none for those that follow.
	started=${EPOCHREALTIME//[!0-9]/}
	for _ in 1 2 3 4 5; do
		one_flow
		grep -q '"error": ".*no answer in 1 s"' "$CONNPIN_FLOW_LOG"
	done
	[ $((${EPOCHREALTIME//[!0-9]/} - started)) -lt 4000000 ]
	[ "$(warnings 'no answer in 1 s')" -eq 1 ]
	ended() {
		[ ! -e "/proc/$stopped/exe" ]
	}
	poll ended
	named() {
		one_flow
		grep -q '"exe": ".*/client-1", .*"exe": ".*/client-1"' "$CONNPIN_FLOW_LOG"
	}
	poll named
	grep -q 'connpin: answers again' "$BATS_TEST_TMPDIR/proxy.out"
	check_coprocess
}

@test "connpin_addon.py (conn-lookup hangs) lets the other flows go on meanwhile" {
	origin 127.0.0.1 0
	proxy --listen-host 127.0.0.1
	EACH=1 PROCESSES=1 clients "http://127.0.0.1:$ORIGIN" -x "http://127.0.0.1:$PROXY_PORT"
	# A connection that is open and named goes on while another client's question hangs.
	run -0 /usr/bin/python3 - "$PROXY_PORT" "$ORIGIN" "$(pgrep -P "$PROXY" -x conn-lookup)" <<-'END'
		import os, signal, socket, sys, time
		proxy, origin, helper = map(int, sys.argv[1:])
		def ask(sock):
		    sock.sendall(b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % origin)
		    answer = b""
		    while not answer.endswith(b"ok"):
		        answer += sock.recv(4096)
		old = socket.create_connection(("127.0.0.1", proxy))
		ask(old)
		os.kill(helper, signal.SIGSTOP)
		new = socket.create_connection(("127.0.0.1", proxy))
		new.setblocking(False)
		time.sleep(0.2)
		slowest = 0
		for _ in range(5):
		    began = time.monotonic()
		    ask(old)
		    slowest = max(slowest, time.monotonic() - began)
		assert slowest < 0.5, slowest
		new.setblocking(True)
		ask(new)
	END
}

# Clients of the first namespace come from 192.0.2.77, which nobody here has: as good as another host.
be_another_host() {
	ip netns exec "${NAMES% *}" nft -f - <<-END
		table ip away {
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname eth0 snat to 192.0.2.77
			}
		}
	END
	ip -n "${NAMES#* }" neigh replace 192.0.2.77 dev eth0 lladdr \
		"$(ip netns exec "${NAMES% *}" cat /sys/class/net/eth0/address)"
}

# from_port PORT: a client that connects to the proxy from there.
from_port() {
	EACH=1 PROCESSES=1 clients http://192.0.2.1:8080 -x "http://192.0.2.1:$PROXY_PORT" \
		--local-port "$1"
}

last_flow_says() {
	flows() {
		[ "$(wc -l <"$CONNPIN_FLOW_LOG")" -eq "$1" ]
	}
	poll flows "$1"
	tail -n 1 "$CONNPIN_FLOW_LOG"
	tail -n 1 "$CONNPIN_FLOW_LOG" | grep -q "$2"
}

@test "connpin_addon.py (client on another host, from the port of a process here) names nobody" {
	make_namespaces
	COMMAND="nsenter --net=/run/netns/${NAMES#* }"
	origin 192.0.2.1 8080
	proxy
	from_port 41000
	last_flow_says 1 '"exe": ".*/client-1", .*"exe": ".*/client-1"'
	be_another_host
	COMMAND="nsenter --net=/run/netns/${NAMES% *}"
	from_port 41000
	last_flow_says 2 '"connpin": null'
	# And an address that came later is looked up.
	ip -n "${NAMES#* }" addr add 192.0.2.78/24 dev eth0
	COMMAND="nsenter --net=/run/netns/${NAMES#* }"
	EACH=1 PROCESSES=1 clients http://192.0.2.1:8080 -x "http://192.0.2.1:$PROXY_PORT" \
		--interface 192.0.2.78 --local-port 41001
	last_flow_says 3 '"exe": ".*/client-1", .*"exe": ".*/client-1"'
}

# forge ADDRESS PORT: in a namespace that nobody (65534) made and gave ADDRESS, connect from it
# as a client of the proxy does.
forge() {
	# Where that user may read it.
	install -m 644 "$HERE/forger.py" "/tmp/connpin-forger-$$.py"
	start "forger-$2" setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn sh -c '
		ip link set lo up && ip addr add "$1" dev lo && ip addr add "$3" dev lo &&
		exec /usr/bin/python3 "$0" "$@"' "/tmp/connpin-forger-$$.py" "$1" "$2" 192.0.2.1 "$PROXY_PORT"
}

@test "connpin_addon.py (a namespace that anyone made has the client's address) does not name its process" {
	make_namespaces
	COMMAND="nsenter --net=/run/netns/${NAMES#* }"
	origin 192.0.2.1 8080
	proxy
	# Of a client on another host.
	be_another_host
	forge 192.0.2.77 42000
	"$HELPERS/conn-lookup" --netns any 192.0.2.1 42000 "$PROXY_PORT" | grep python3
	COMMAND="nsenter --net=/run/netns/${NAMES% *}"
	from_port 42000
	last_flow_says 1 '"connpin": null'
	ip netns exec "${NAMES% *}" nft delete table ip away
	# Of a client in the namespace beside the proxy's, whose entry is older than the forged one
	# when the proxy asks.
	overtaken 42001
	last_flow_says 2 '"connpin": {"error": "not found in its namespace"}'
}

# overtaken PORT: a client whose connection waits for the proxy, until it is forged.
overtaken() {
	kill -STOP "$PROXY"
	COMMAND="nsenter --net=/run/netns/${NAMES% *}" from_port "$1" &
	local client=$!
	poll "$HELPERS/conn-lookup" --netns any -q 192.0.2.1 "$1" "$PROXY_PORT"
	forge 192.0.2.2 "$1"
	kill -CONT "$PROXY"
	wait "$client"
}

@test "connpin_addon.py (user who may do nothing) names clients beside, and nobody when in doubt" {
	make_namespaces
	dir=/tmp/connpin-proxy-$$
	install -d -o 65534 "$dir"
	install -m 644 -t "$dir" "$TREE"/etc/mitmproxy/*.py "$HERE/flow_log.py"
	install -m 755 -t "$dir" "$HELPERS/conn-lookup"
	COMMAND="nsenter --net=/run/netns/${NAMES#* }"
	origin 192.0.2.1 8080
	COMMAND="$COMMAND setpriv --reuid 65534 --regid connpin --clear-groups --bounding-set=-all --inh-caps=-all"
	FILES=$dir LOOKUP=$dir/conn-lookup
	proxy
	COMMAND="nsenter --net=/run/netns/${NAMES% *}"
	from_port 43000
	# The executable is root's to see.
	last_flow_says 1 '"comm": "client-1".*"pid": [1-9]'
	overtaken 43001
	last_flow_says 2 '"connpin": {"error": "not found in its namespace"}'
	COMMAND="nsenter --net=/run/netns/${NAMES#* }"
	from_port 43002
	last_flow_says 3 '"comm": "client-1".*"pid": [1-9]'
}

@test "connpin_place.py tells own addresses, those of namespaces beside, and others" {
	make_namespaces
	# shellcheck disable=SC2086 # two words
	set -- $NAMES
	mkdir "/tmp/connpin-proxy-$$"
	install -m 644 -t "/tmp/connpin-proxy-$$" "$TREE/etc/mitmproxy/connpin_place.py" "$TREE/test/place.py"
	ip -n "$1" addr add 2001:db8::2/64 dev eth0 nodad
	ip -n "$2" addr add 2001:db8::1/64 dev eth0 nodad
	ip -n "$2" addr add fe80::1/64 dev eth0 nodad
	# What no route leads to, though the namespace has it.
	ip -n "$1" addr add 233.252.0.2/24 dev lo
	start client nsenter --net="/run/netns/$1" sh -c 'echo; cat'
	start stranger setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn sh -c '
		ip link set lo up && ip addr add 192.0.2.77 dev lo && ip addr add 192.0.2.2 dev lo && echo && cat'
	cat >"$BATS_TEST_TMPDIR/expected" <<-END
		own 127.0.0.1
		own 127.255.3.4
		own 192.0.2.1
		own ::ffff:192.0.2.1
		own ::1
		own 2001:db8::1
		own fe80::1
		own fe80::1%eth0
		other fe80::1%lo
		beside 192.0.2.2
		beside ::ffff:192.0.2.2
		beside 2001:db8::2
		other 192.0.2.77
		other 192.0.2.3
		other 192.0.2.255
		other 233.252.0.2
		other 2001:db8::3
		other 2001:db9::1
	END
	# The same for root and for who may do nothing.
	for user in 0 65534; do
		nsenter --net="/run/netns/$2" setpriv --reuid "$user" --regid "$user" --clear-groups \
			/usr/bin/python3 "/tmp/connpin-proxy-$$/place.py" \
			<"$BATS_TEST_TMPDIR/expected" >"$BATS_TEST_TMPDIR/found"
		diff "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/found"
	done
}

@test "dns_owner.py (query from another host, from the port of a process here) names nobody" {
	make_namespaces
	PATH=$HELPERS:$PATH
	COMMAND="nsenter --net=/run/netns/${NAMES#* }"
	# shellcheck disable=SC2086 # words
	start upstream $COMMAND /usr/bin/python3 "$HERE/dns_server.py" 192.0.2.1 53
	# shellcheck disable=SC2086 # words
	start relay $COMMAND /usr/bin/python3 "$TREE/etc/mitmproxy/dns_owner.py" 5353 192.0.2.1 53
	# shellcheck disable=SC2086 # words
	run -0 $COMMAND /usr/bin/python3 "$HERE/dns_client.py" 192.0.2.1 5353 here.example 44000
	grep -q "^here.example.*\"pid\": ${output% *}[,}]" "$BATS_TEST_TMPDIR/relay.out"
	be_another_host
	run -0 nsenter --net="/run/netns/${NAMES% *}" /usr/bin/python3 "$HERE/dns_client.py" 192.0.2.1 5353 \
		away.example 44000
	grep -q "^away.example	null$" "$BATS_TEST_TMPDIR/relay.out"
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
	# The host keeps the processes of the first namespace alive: it is known by them.
	start client nsenter --net="/run/netns/$1" sh -c 'echo; cat'
	for number in 1 2 3; do
		run -0 ip netns exec "$1" /usr/bin/python3 "$HERE/dns_client.py" 198.51.100.53 53 "name-$number.example"
		[ "${output#* }" = 192.0.2.99 ]
		line=$(grep "^name-$number.example" "$BATS_TEST_TMPDIR/relay.out")
		grep -q "\"pid\": ${output% *}[,}]" <<<"$line"
		[[ $line = *'"dst_ip": "198.51.100.53"'* ]]
	done
}

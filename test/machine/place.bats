#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Whose an address is, behind a bridge, which the host's kernel need not have.

load ../helper

teardown() {
	stop_all
	for name in proxy one two; do
		[ ! -e "/run/netns/$name" ] || ip netns del "$name"
	done
}

@test "connpin_place.py (bridge) tells namespaces behind its ports from hosts behind them" {
	for name in proxy one two; do
		ip netns add "$name"
		ip -n "$name" link set lo up
	done
	ip -n proxy link add br0 type bridge
	ip -n proxy link set br0 up
	ip -n proxy addr add 203.0.113.1/24 dev br0
	for name in one two; do
		ip -n proxy link add "$name" master br0 type veth peer name eth0 netns "$name"
		ip -n proxy link set "$name" up
		ip -n "$name" link set eth0 up
		start "$name" nsenter --net="/run/netns/$name" sh -c 'echo; cat'
	done
	ip -n one addr add 203.0.113.2/24 dev eth0
	ip -n two addr add 203.0.113.3/24 dev eth0
	# Both say that they have it.
	ip -n one addr add 203.0.113.4/24 dev eth0
	ip -n two addr add 203.0.113.4/24 dev eth0
	# No route to it leads to the bridge.
	ip -n one addr add 192.0.2.2/24 dev eth0
	cat >"$BATS_TEST_TMPDIR/expected" <<-END
		own 203.0.113.1
		beside 203.0.113.2
		beside 203.0.113.3
		other 203.0.113.4
		other 203.0.113.5
		other 192.0.2.2
	END
	nsenter --net=/run/netns/proxy /usr/bin/python3 "$TREE/test/place.py" <"$BATS_TEST_TMPDIR/expected" \
		>"$BATS_TEST_TMPDIR/found"
	diff "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/found"
}

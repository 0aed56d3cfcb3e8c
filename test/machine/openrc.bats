#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The services of OpenRC, under OpenRC. In a virtual machine only: they are installed.

load ../helper

setup_file() {
	export PREFIX=/usr/local SYSCONFDIR=/etc UNITDIR=/units INITDIR=/etc/init.d LIBEXECDIR=/usr/local/libexec \
		DESTDIR=''
	export PATH=/usr/local/bin:$PATH
	cd "$TREE" || return 1
	scripts/manifest.sh >/tmp/manifest
	scripts/install.sh install /tmp/manifest
	mkdir -p /etc/runlevels/sysinit /etc/runlevels/boot /etc/runlevels/default
	openrc sysinit
	openrc boot
	openrc default
	# The defaults: what a service of the system uses, not those of the suite.
	unset PIN_DIR RUN_DIR LISTEN CGROUP
}

setup() {
	unset PIN_DIR RUN_DIR LISTEN CGROUP
}

teardown() {
	rc-service connpin stop >/dev/null 2>&1 3>&- || true
	sed -i '/^CGROUP_SERIES=many$/d' /etc/connpin.conf
}

state() {
	rc-service "$1" status 2>&1 | sed -n 's/.*status: *//p'
}

answers() {
	curl -s -m 5 http://127.0.0.1:9090/cgi-bin/metrics | grep -q '^tcp_active_connections_total [0-9]'
}

@test "openrc (a runlevel that has connpin-http) brings up both, and down when they leave it" {
	before=$(bpf_inventory)
	run -0 rc-update add connpin-http default
	run -0 openrc default
	[ "$(state connpin)" = started ]
	[ "$(state connpin-http)" = started ]
	poll answers
	run -0 rc-update del connpin-http default
	run -0 openrc default
	[ "$(state connpin-http)" = stopped ]
	[ "$(state connpin)" = stopped ]
	unchanged_since "$before"
}

@test "rc-service connpin start attaches, stop leaves nothing" {
	before=$(bpf_inventory)
	[ "$(state connpin)" = stopped ]
	run -0 rc-service connpin start
	[ "$(state connpin)" = started ]
	run -0 connpin status
	[ -e /sys/fs/bpf/connpin/port_tracker/handle_sockops ]
	run -0 rc-service connpin reload
	run -0 rc-service connpin stop
	[ "$(state connpin)" = stopped ]
	unchanged_since "$before"
}

@test "rc-service connpin-http start attaches first and serves, as nobody important" {
	run -0 rc-service connpin-http start
	[ "$(state connpin)" = started ]
	poll answers
	server=$(pgrep -P "$(cat /run/connpin/httpd.pid)")
	[ "$(awk '$1 == "CapEff:" { print $2 }' "/proc/$server/status")" = 0000000000000000 ]
	# What it needs is not taken off before it.
	run -0 rc-service connpin stop
	[ "$(state connpin-http)" = stopped ]
	run ! answers
}

@test "rc-service connpin start (a bad setting) fails and says which line" {
	echo 'CGROUP_SERIES=many' >>/etc/connpin.conf
	run rc-service connpin start
	[ "$status" -ne 0 ]
	[[ $output = *"connpin.conf"*"CGROUP_SERIES"* ]]
	[ "$(state connpin)" = stopped ]
}

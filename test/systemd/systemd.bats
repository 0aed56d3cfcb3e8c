#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The package under a real systemd. The machine booted with it installed; the tests run
# in order, the last of them purge it.

load ../helper
load ../load

# The installed ones; start_server and the like use the tree's.
export SCRIPTS=/usr/libexec/connpin/scripts HELPERS=/usr/libexec/connpin/helpers

teardown() {
	stop_all
}

get() {
	curl -s -g -m 20 -o "$BATS_TEST_TMPDIR/body" -w '%{http_code}' "$@"
}

answers() {
	[ "$(get http://127.0.0.1:9091/cgi-bin/metrics)" = 200 ]
}

own_tags() {
	local pin
	for pin in "$PIN_DIR"/port_tracker/*; do
		bpftool prog show pinned "$pin" | sed -n '1s/^\([0-9]*\):.*name \([^ ]*\)  tag \([^ ]*\).*/\1 \2 \3/p'
	done
}

@test "boot attached everything, and no unit failed" {
	[ "$(systemctl is-active connpin.service)" = active ]
	[ "$(systemctl is-enabled connpin.service)" = enabled ]
	run -0 connpin status
	[[ $output = *"tcp_opens        on        sock_ops"* ]]
	[[ $output = *"tcp_states       on        fentry/tcp_set_state"* ]]
	run -0 systemctl --failed --no-legend
	[ -z "$output" ]
}

@test "systemd-analyze verify says nothing of the units" {
	# Without the pages of the manual, which a machine for tests does not have.
	run -0 systemd-analyze verify --man=no connpin.service connpin-http.service
	[ -z "$output" ]
}

# As cloud-init.service has it, which wants a network and is itself wanted early.
@test "systemd-analyze verify finds no cycle with what is between the network and sysinit.target" {
	printf '[Unit]\nDefaultDependencies=no\nAfter=%s\nBefore=sysinit.target\n[Service]\nType=oneshot\nExecStart=/bin/true\n' \
		network-pre.target >/run/systemd/system/early-network.service
	mkdir -p /run/systemd/system/sysinit.target.wants
	ln -sf ../early-network.service /run/systemd/system/sysinit.target.wants/
	run -0 systemd-analyze verify --man=no connpin.service early-network.service
	rm -r /run/systemd/system/early-network.service /run/systemd/system/sysinit.target.wants/early-network.service
	[[ $output != *cycle* ]]
}

@test "systemd-analyze security: the server's exposure is 1.6 at the most" {
	run -0 systemd-analyze security --no-pager --threshold=16 connpin-http.service
	[[ $output =~ "Overall exposure level for connpin-http.service: "(0|1\.[0-6])" " ]] ||
		[[ $output =~ "Overall exposure level for connpin-http.service: 0."[0-9] ]]
}

@test "connpin-http.service answers at the configured address, with nothing but its user's rights" {
	run -3 systemctl is-active connpin-http.service
	echo 'LISTEN=127.0.0.1:9091 [::1]:9091' >>/etc/connpin.conf
	systemctl start connpin-http.service
	poll answers
	grep -q '^tcp_active_connections_total ' "$BATS_TEST_TMPDIR/body"
	# Nothing of it is out of the unit's sight.
	grep -q '^connpin_feature_info{feature="tcp_opens",hook="sock_ops",state="on"} 1' "$BATS_TEST_TMPDIR/body"
	grep -q '^connpin_program_misses_total{program="handle_sockops"} 0' "$BATS_TEST_TMPDIR/body"
	/usr/bin/python3 -c 'import socket, time; s = socket.socket(); print("made", flush=True); time.sleep(100)' \
		>"$BATS_TEST_TMPDIR/unconnected" 3>&- &
	STARTED="$STARTED $!"
	poll grep -q made "$BATS_TEST_TMPDIR/unconnected"
	[ "$(get http://127.0.0.1:9091/cgi-bin/metrics)" = 200 ]
	[ "$(sed -n 's/^tcp_connections{state="close"} //p' "$BATS_TEST_TMPDIR/body")" -ge 1 ]
	[ "$(get 'http://[::1]:9091/cgi-bin/metrics')" = 200 ]
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	code=$(get "http://127.0.0.1:9091/cgi-bin/lookup?dst=127.0.0.1&sport=$(client_port)&dport=$PORT")
	cat "$BATS_TEST_TMPDIR/body"
	[ "$code" = 200 ]
	grep -q "\"pid\":$PID," "$BATS_TEST_TMPDIR/body"
	# What the unit shuts off is not what tells whether the process runs.
	grep -q '"status":"live"' "$BATS_TEST_TMPDIR/body"
	[ "$(get 'http://127.0.0.1:9091/cgi-bin/lookup?dst=127.0.0.1&sport=x&dport=1')" = 400 ]
	# Root's connections are not another user's to see, whose own are.
	setpriv --reuid 64123 --regid 64123 --clear-groups curl -s -f http://127.0.0.1:9091/cgi-bin/list >"$BATS_TEST_TMPDIR/body"
	[ -s "$BATS_TEST_TMPDIR/body" ]
	no_line '"uid":0,' cat "$BATS_TEST_TMPDIR/body"
	pid=$(systemctl show -p MainPID --value connpin-http.service)
	# Seccomp: a filter; no privileges, no capability, not root.
	run -0 cat "/proc/$pid/status"
	[[ $output = *"NoNewPrivs:	1"* ]]
	[[ $output = *"Seccomp:	2"* ]]
	[[ $output = *"CapBnd:	0000000000000000"* ]]
	[ "$(stat -c %U "/proc/$pid")" = connpin ]
	# Its view of the file system is read-only, bpf's too.
	run ! nsenter -t "$pid" -m touch /etc/x /usr/x /sys/fs/bpf/connpin/x
	run -0 systemctl show -p TasksMax,MemoryMax connpin-http.service
	[[ $output = *"TasksMax=2048"* ]]
}

@test "connpin-http.service (its server killed) starts again" {
	pid=$(systemctl show -p MainPID --value connpin-http.service)
	read -r -a servers <<<"$(cat "/proc/$pid/task/$pid/children")"
	kill -9 "${servers[0]}"
	again() {
		[ "$(systemctl show -p MainPID --value connpin-http.service)" != "$pid" ] &&
			[ "$(get http://127.0.0.1:9091/cgi-bin/metrics)" = 200 ]
	}
	poll again
}

# What was removed lingers until the kernel frees it.
nothing_of_ours() {
	no_line 'handle_|on_set_state|conn_to_pid|tcp_metrics' bpf_inventory >/dev/null
}

@test "systemctl reload changes nothing; stop returns the host to what it was; start attaches" {
	tags=$(own_tags)
	systemctl reload connpin.service
	[ "$(own_tags)" = "$tags" ]
	systemctl stop connpin.service
	[ ! -e "$PIN_DIR" ]
	poll nothing_of_ours
	[ "$(get http://127.0.0.1:9091/cgi-bin/metrics)" = 503 ]
	systemctl start connpin.service
	[ "$(get http://127.0.0.1:9091/cgi-bin/metrics)" = 200 ]
}

# The package with another version and every program in other instructions.
other_package() {
	dpkg-deb -R /root/connpin.deb "$BATS_TEST_TMPDIR/package"
	cp "$TREE"/.output/test/upgrade/*.bpf.o "$TREE"/.output/test/upgrade/inventory "$BATS_TEST_TMPDIR/package/usr/libexec/connpin/bpf/"
	sed -i 's/^Version: .*/&+1/' "$BATS_TEST_TMPDIR/package/DEBIAN/control"
	dpkg-deb -b "$BATS_TEST_TMPDIR/package" "$BATS_TEST_TMPDIR/other.deb" >/dev/null
}

@test "dpkg -i (another version, and the old one again, under load) misses no connection, loses no count, keeps the configuration" {
	other_package
	old=$(own_tags)
	SAMPLE_SECONDS=0.2 start_load 100 600
	run -0 dpkg --force-confold -i "$BATS_TEST_TMPDIR/other.deb"
	echo "$output"
	new=$(own_tags)
	run -0 dpkg --force-confold -i /root/connpin.deb
	back=$(own_tags)
	# End of file: the load is over.
	stop_load
	end_load
	[ "$(printf '%s\n' "$old" "$new" "$back" | sort | uniq -d)" = "" ]
	[ "$(cut -d ' ' -f 2- <<<"$old")" = "$(cut -d ' ' -f 2- <<<"$back")" ]
	echo "$CONNECTIONS connections, counted $COUNTED"
	[ "$CONNECTIONS" -ge 200 ]
	[ "$COUNTED" -ge "$CONNECTIONS" ]
	grep -q '^LISTEN=127.0.0.1:9091' /etc/connpin.conf
	# The server was started again with the new files.
	poll answers
}

@test "dpkg --purge leaves nothing" {
	start_server 127.0.0.1
	run -0 dpkg --purge connpin
	run ! systemctl is-active --quiet connpin.service
	run ! systemctl is-active --quiet connpin-http.service
	[ ! -e "$PIN_DIR" ]
	[ ! -e /run/connpin ]
	[ ! -e /run/connpin-http ]
	poll nothing_of_ours
	no_line '^connpin:' cat /etc/passwd /etc/group /etc/shadow /etc/gshadow
	(cd / && find etc usr var lib opt srv ! -path 'var/lib/dpkg/*' ! -path 'var/log/*' ! -path 'var/cache/*' | sort) >"$BATS_TEST_TMPDIR/after"
	# Not the product's: what systemd writes as it boots, the harness's unit, and the
	# copies that useradd and userdel keep of the lists.
	diff /root/before "$BATS_TEST_TMPDIR/after" | grep '^[<>]' |
		grep -vE 'var/lib/systemd/|var/lib/private|etc/machine-id|etc/systemd/system/(default.target|connpin-test|multi-user.target.wants/connpin-test|multi-user.target.wants$|default.target.wants$)|etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|etc/\.pwd\.lock|etc/resolv|etc/mtab|var/tmp/systemd-private|__pycache__|ld.so.cache|etc/.updated|var/.updated' >"$BATS_TEST_TMPDIR/left" || true
	cat "$BATS_TEST_TMPDIR/left"
	[ ! -s "$BATS_TEST_TMPDIR/left" ]
	sort /etc/passwd /etc/group | diff /root/before-users -
}

@test "apt-get install ./connpin.deb attaches at once and is enabled for the next boot" {
	run -0 apt-get install -y -q --no-install-recommends /root/connpin.deb
	[ "$(systemctl is-active connpin.service)" = active ]
	[ "$(systemctl is-enabled connpin.service)" = enabled ]
	run -0 connpin status
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	run -0 conn-lookup -q 127.0.0.1 "$(client_port)" "$PORT"
	[ "$output" = "$PID" ]
	run -0 systemctl enable connpin-http.service
	# Removed, not purged: the configuration stays, nothing is attached, typos in it or not.
	echo 'TYPO=1' >>/etc/connpin.conf
	run -0 dpkg --remove connpin
	[ -e /etc/connpin.conf ]
	[ ! -e "$PIN_DIR" ]
	sed -i '/^TYPO=1$/d' /etc/connpin.conf
	# Installed again, both units can be started.
	run -0 dpkg -i /root/connpin.deb
	run -0 systemctl enable --now connpin-http.service
	[ "$(systemctl is-active connpin.service)" = active ]
	run -0 dpkg --purge connpin
	[ ! -e /etc/connpin.conf ]
	# Of the product: the harness has one, too.
	find /etc/systemd/system '(' -name connpin.service -o -name connpin-http.service ')' | tee "$BATS_TEST_TMPDIR/units"
	[ ! -s "$BATS_TEST_TMPDIR/units" ]
}

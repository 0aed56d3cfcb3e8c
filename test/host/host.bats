#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What needs programs that the virtual machines do not have.

load ../helper

teardown() {
	stop_all
	detach
}

@test "tcp-metrics passes promtool check metrics without a word" {
	attach
	"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/text"
	detach
	run -0 "$TREE/.output/tools/promtool" check metrics <"$BATS_TEST_TMPDIR/text"
	[ -z "$output" ]
	[ "$(wc -c <"$BATS_TEST_TMPDIR/text")" -lt 20000 ]
}

@test "tcp-metrics --openmetrics is read by the parser of the Python client" {
	attach
	"$TRAFFIC" carry 5 1000
	"$HELPERS/tcp-metrics" --openmetrics >"$BATS_TEST_TMPDIR/text"
	"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/plain"
	detach
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/text")" = '# EOF' ]
	run -0 /usr/bin/python3 "$TREE/test/openmetrics.py" "$TREE/.output/tools/prometheus_client" \
		"$BATS_TEST_TMPDIR/text"
	# A family each, and each with the time its counts began.
	[ "$output" = "$(grep -c '^# TYPE' "$BATS_TEST_TMPDIR/plain") families" ]
	[ "$(grep -c '_created[ {]' "$BATS_TEST_TMPDIR/text")" -ge "$(grep -c '_total[ {][^#]' "$BATS_TEST_TMPDIR/text")" ]
}

# install_to install|uninstall: below the directory $dest.
install_to() {
	make -C "$TREE" "$1" DESTDIR="$dest" PREFIX=/usr SYSCONFDIR=/etc
}

@test "make install and make uninstall (DESTDIR) leave nothing but an edited configuration" {
	dest=$BATS_TEST_TMPDIR/dest
	run -0 install_to install
	run -0 "$dest/usr/bin/conn-lookup" --version
	run -0 "$dest/usr/bin/connpin" --help
	run -0 install_to uninstall
	run -0 find "$dest" ! -type d
	[ -z "$output" ]
	run -0 install_to install
	echo '#edited' >>"$dest/etc/connpin.conf"
	run -0 install_to install
	grep -q '#edited' "$dest/etc/connpin.conf"
	run -0 install_to uninstall
	run -0 find "$dest" ! -type d
	[ "$output" = "$dest/etc/connpin.conf" ]
}

@test "make install (over an older connpin) leaves nothing of it but its configuration" {
	local dest=$BATS_TEST_TMPDIR/dest older
	for action in install uninstall; do
		run -0 install_to install
		for older in '755 /usr/libexec/connpin/helpers/older' '644 /usr/share/man/man8/older.8' 'config /etc/older.conf'; do
			echo "$older" >>"$dest/usr/libexec/connpin/installed"
			echo older >"$dest${older#* }"
		done
		run -0 install_to "$action"
		[ ! -e "$dest/usr/libexec/connpin/helpers/older" ]
		[ ! -e "$dest/usr/share/man/man8/older.8" ]
		[ "$(cat "$dest/etc/older.conf")" = older ]
	done
	run -0 find "$dest" ! -type d
	[ "$output" = "$dest/etc/older.conf" ]
}

@test "installed commands (without the source tree) attach, answer and detach" {
	before=$(bpf_inventory)
	prefix=$BATS_TEST_TMPDIR/prefix
	run -0 make -C "$TREE" install PREFIX="$prefix" SYSCONFDIR="$prefix/etc"
	echo 'CONN_V4_ENTRIES=4096' >>"$prefix/etc/connpin.conf"
	# What they tell the user to run is what is installed.
	run -3 "$prefix/bin/connpin" status
	[[ $output = *": run connpin attach" ]]
	run -3 "$prefix/bin/conn-list"
	[[ $output = *"run connpin attach as root"* ]]
	run -3 "$prefix/bin/connpin" lookup 127.0.0.1 1 2
	[[ $output = *"run connpin attach as root"* ]]
	run -0 "$prefix/bin/connpin" detach -h
	[ "${lines[0]}" = "usage: connpin detach" ]
	run -0 "$prefix/bin/connpin" attach
	bpftool map show pinned "$PIN_DIR/maps/conn_to_pid_v4" | grep -q 'max_entries 4096 '
	start_server 127.0.0.1
	start client "$TRAFFIC" connect 127.0.0.1 "$PORT"
	run -0 "$prefix/bin/connpin" lookup -q 127.0.0.1 "$(client_port)" "$PORT"
	[ "$output" = "$PID" ]
	stop_all
	run -0 "$prefix/bin/connpin" detach
	unchanged_since "$before"
}

@test "two builds make identical objects and helpers" {
	for copy in one two/deeper; do
		mkdir -p "$BATS_TEST_TMPDIR/$copy"
		(cd "$TREE" && tar -cf - --exclude=./.output --exclude=./.git .) | tar -C "$BATS_TEST_TMPDIR/$copy" -xf -
		run -0 make -C "$BATS_TEST_TMPDIR/$copy"
	done
	for file in bpf helpers; do
		run -0 diff -r -x '*.d' "$BATS_TEST_TMPDIR/one/.output/$file" "$BATS_TEST_TMPDIR/two/deeper/.output/$file"
	done
}

@test "tcp_connections (a Fast Open connection whose handshake hangs) counts it once" {
	attach
	before=$(metric 'tcp_connections{state="syn_recv"}')
	# The answer to the SYN, whose data is taken at once, is lost.
	start fastopen unshare -n sh -ec 'ip link set lo up
		nft add table inet t
		nft add chain inet t in "{ type filter hook input priority 0; }"
		nft add rule inet t in tcp sport 7900 "tcp flags & (syn|ack) == (syn|ack)" drop
		echo 1543 >/proc/sys/net/ipv4/tcp_fastopen
		exec /usr/bin/python3 -c "$0"' 'import socket, sys
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
s.bind(("127.0.0.1", 7900))
s.listen(8)
c = socket.socket()
c.setblocking(False)
c.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", 7900))
print("sent", flush=True)
sys.stdin.read()'
	sleep 0.2
	after=$(metric 'tcp_connections{state="syn_recv"}')
	stop_all
	detach
	[ "$after" -eq $((before + 1)) ]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Other programs of the host that rewrite addresses, as load balancers in the kernel do.

load helper

REWRITER=/sys/fs/bpf/${PIN_DIR##*/}_rewriter

setup() {
	BEFORE=$(inventory_before)
	bpftool prog loadall "$TREE/.output/test/rewriter.bpf.o" "$REWRITER" 2>/dev/null
}

teardown() {
	stop_all
	bpftool cgroup detach "$CGROUP_ROOT" sendmsg4 pinned "$REWRITER/rewrite_send4" 2>/dev/null || true
	bpftool cgroup detach "$CGROUP_ROOT" connect4 pinned "$REWRITER/rewrite_conn4" 2>/dev/null || true
	rm -rf "$REWRITER"
	detach
	unchanged_since "$BEFORE"
}

rewrite() {
	bpftool cgroup attach "$CGROUP_ROOT" sendmsg4 pinned "$REWRITER/rewrite_send4" multi
	bpftool cgroup attach "$CGROUP_ROOT" connect4 pinned "$REWRITER/rewrite_conn4" multi
}

# finds PROTOCOL DST: the client that was started last, at that address.
finds() {
	run -0 "$HELPERS/conn-lookup" -q -p "$1" "$2" "$(client_port)" "$PORT"
	[ "$output" = "$PID" ]
}

@test "conn-lookup (an address rewritten before ours sees it) knows the one on the wire" {
	rewrite
	attach
	start_server 127.0.0.1
	start tcp "$TRAFFIC" connect 127.0.0.9 "$PORT"
	finds tcp 127.0.0.1
	start udp "$TRAFFIC" send 127.0.0.9 "$PORT"
	finds udp 127.0.0.1
	start connected "$TRAFFIC" udp-connect 127.0.0.9 "$PORT"
	finds udp 127.0.0.1
	run "$SCRIPTS/status.sh"
	[[ $output != *"may rewrite addresses"* ]]
}

@test "status.sh (a program that came later may rewrite addresses) names it, and attach.sh puts ours behind" {
	attach
	rewrite
	id=$(bpftool prog show pinned "$REWRITER/rewrite_send4" | sed -n '1s/:.*//p')
	run -1 "$SCRIPTS/status.sh"
	[[ $output = *"program $id (rewrite_send4) at $CGROUP_ROOT runs after ours and may rewrite addresses"* ]]
	# TCP is seen when all that is done.
	start_server 127.0.0.1
	start tcp "$TRAFFIC" connect 127.0.0.9 "$PORT"
	finds tcp 127.0.0.1
	run -0 "$SCRIPTS/attach.sh"
	[[ $output = *"attached anew, behind programs that may rewrite addresses"* ]]
	run "$SCRIPTS/status.sh"
	[[ $output != *"may rewrite addresses"* ]]
	start udp "$TRAFFIC" send 127.0.0.9 "$PORT"
	finds udp 127.0.0.1
	# Once is enough.
	run -0 "$SCRIPTS/attach.sh"
	[[ $output = *"already attached: nothing to do"* ]]
}

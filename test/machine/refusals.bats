#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A kernel that refuses a part: a security module of BPF (refuse.bpf.c) refuses one call
# of bpf(2) at a time, each that connpin makes. In a virtual machine only, one booted with
# lsm=...,bpf: it refuses to the whole host.
#
# Each test says what is refused and which features are then not on; all others have to
# be as they are where nothing is refused. See runs_with.

load ../helper

REFUSER=/sys/fs/bpf/refuser

# What the kernel calls them by number: enum bpf_cmd, bpf_prog_type, bpf_map_type,
# bpf_attach_type, bpf_func_id; errno.
declare -gA COMMAND=([create]=0 [load]=5 [attach]=8 [open_tracepoint]=17 [create_link]=28)
declare -gA TYPE=([any]=-1 [tracepoint]=5 [cgroup_sock]=9 [sock_ops]=13 [raw_tracepoint]=17
	[cgroup_sock_addr]=18 [tracing]=26 [hash]=1 [percpu_array]=6)
declare -gA ATTACH_TYPE=([any]=-1 [sock_create]=2 [sock_ops]=3 [connect6]=11 [sendmsg4]=14
	[sendmsg6]=15 [recvmsg4]=19 [recvmsg6]=20 [tp_btf]=23 [fentry]=24 [fexit]=25 [iter]=28)
declare -gA FUNCTION=([any]=-1 [bpf_probe_read_kernel]=113 [bpf_get_netns_cookie]=122
	[bpf_skc_to_tcp_sock]=137 [bpf_get_current_task_btf]=158)
declare -gA ERROR=([EPERM]=-1 [ENOMEM]=-12 [EACCES]=-13 [EINVAL]=-22)

# The metrics that nobody knows when a feature is off.
declare -gA FAMILIES=([live_sockets]="tcp_connections" [program_stats]="connpin_program_misses"
	[resets_sent]="tcp_resets_sent" [resets_received]="tcp_resets_received")

setup_file() {
	mkdir -p /sys/fs/bpf
	grep -q ' /sys/fs/bpf ' /proc/mounts || mount -t bpf bpf /sys/fs/bpf
	bpftool prog loadall "$TREE/.output/test/machine/refuse.bpf.o" $REFUSER pinmaps ${REFUSER}_maps
	"$HELPERS/attach-tracing" tracing $REFUSER/on_bpf_call $REFUSER/link
	# What is on when nothing is refused, and somebody to connect to. The kernel frees maps
	# some time after the detach: each test compares with what is there before it.
	local before
	before=$(bpf_inventory)
	attach
	"$SCRIPTS/status.sh" | states >"$BATS_FILE_TMPDIR/states"
	detach
	unchanged_since "$before"
	mkfifo "$BATS_FILE_TMPDIR/hold"
	for address in 127.0.0.1 ::1; do
		"$TRAFFIC" listen $address 0 <>"$BATS_FILE_TMPDIR/hold" >"$BATS_FILE_TMPDIR/server-$address" 3>&- &
		echo $! >>"$BATS_FILE_TMPDIR/servers"
		poll test -s "$BATS_FILE_TMPDIR/server-$address"
	done
}

teardown_file() {
	xargs kill <"$BATS_FILE_TMPDIR/servers"
	rm -r $REFUSER ${REFUSER}_maps
}

setup() {
	BEFORE=$(inventory_before)
	RULES=0
}

teardown() {
	stop_all
	while [ "$RULES" -gt 0 ]; do
		RULES=$((RULES - 1))
		put "$RULES" 0 0 0 0 0 0
	done
	detach
	unchanged_since "$BEFORE"
}

# put RULE NUMBER...: into the map of rules, as 32 bits each, and count from 0 again.
put() {
	local n rule=$1 bytes=''
	shift
	for n; do
		bytes+=" $((n & 255)) $((n >> 8 & 255)) $((n >> 16 & 255)) $((n >> 24 & 255))"
	done
	# shellcheck disable=SC2086 # bytes, a word each
	bpftool map update pinned ${REFUSER}_maps/rules key "$rule" 0 0 0 value $bytes
	bpftool map update pinned ${REFUSER}_maps/refused key "$rule" 0 0 0 value 0 0 0 0
}

# refuse COMMAND [NAME=VALUE...]: a further rule. The names: type, attach (an attach
# type), helper (programs that call it), error (EPERM when none is named), unnamed (1:
# also what libbpf tries).
refuse() {
	local type=any attach=any helper=any error=EPERM unnamed=0 command=$1 word
	shift
	for word; do
		case $word in
		type=* | attach=* | helper=* | error=* | unnamed=*) local "${word?}" ;;
		*) echo "refuse: unknown word $word" && return 1 ;;
		esac
	done
	# An unknown word has no number, which ends the test.
	put "$RULES" "${ERROR[$error]:?}" "${COMMAND[$command]:?}" "${TYPE[$type]:?}" \
		"${ATTACH_TYPE[$attach]:?}" "${FUNCTION[$helper]:?}" "$unnamed"
	RULES=$((RULES + 1))
}

# Each rule refused something: else the test would say nothing.
each_rule_refused() {
	local rule
	for ((rule = 0; rule < RULES; rule++)); do
		bpftool -j map lookup pinned ${REFUSER}_maps/refused key "$rule" 0 0 0 >"$BATS_TEST_TMPDIR/count"
		! grep -q '"value":\["0x00","0x00","0x00","0x00"\]' "$BATS_TEST_TMPDIR/count" || {
			echo "rule $rule refused nothing"
			return 1
		}
	done
}

# Of status.sh's output "FEATURE STATE" and, of those that are not on, "reason"
# when a line with one follows.
states() {
	awk 'NR == 1 { next } # which kernel
		/^[a-z_0-9]+ +(on|degraded|off)( |$)/ { if (name) print name, state reason; name = $1; state = $2; reason = ""; next }
		/^ +[^ ]/ && state != "on" { reason = " reason"; next }
		{ if (name) print name, state reason; name = "" }
		END { if (name) print name, state reason }'
}

# expect FEATURE:STATE...: the states of before with these changes, as states prints them.
expect() {
	awk -v changes="$*" '
		BEGIN {
			n = split(changes, words, " ")
			for (i = 1; i <= n; i++) { split(words[i], word, ":"); state[word[1]] = word[2] }
		}
		$1 in state { print $1, state[$1], "reason"; delete state[$1]; next }
		{ print }
		END { for (name in state) print name, state[name], "reason" }' "$BATS_FILE_TMPDIR/states"
}

# state_of FEATURE: as EXPECTED has it.
state_of() {
	awk -v name="$1" '$1 == name { print $2 }' "$BATS_TEST_TMPDIR/expected"
}

# answers FEATURE PROTOCOL DST TRAFFIC...: who is recorded by FEATURE is found, unless that is off.
answers() {
	local feature=$1 protocol=$2 dst=$3 want=0
	shift 3
	[ "$(state_of "$feature")" != off ] || want=1
	start client "$TRAFFIC" "$@"
	run "-$want" "$HELPERS/conn-lookup" -q -p "$protocol" "$dst" "$(client_port)" "$PORT"
	[ "$want" -eq 1 ] || [ "$output" = "$PID" ]
	stop_all
}

# shellcheck disable=SC2030,SC2031 # PORT is set and read here alone
look_ups_are_right() {
	local address
	for address in 127.0.0.1 ::1; do
		read -r _ PORT <"$BATS_FILE_TMPDIR/server-$address"
		answers tcp_opens tcp $address connect $address "$PORT"
		PORT=9
		case $address in
		127.0.0.1) answers udp_sends_v4 udp $address send $address $PORT ;;
		*) answers udp_sends_v6 udp $address send $address $PORT ;;
		esac
		answers connected_udp udp $address udp-connect $address $PORT
	done
}

metrics_are_valid() {
	local feature family
	"$HELPERS/tcp-metrics" >"$BATS_TEST_TMPDIR/metrics"
	"$HELPERS/tcp-metrics" --openmetrics >"$BATS_TEST_TMPDIR/openmetrics"
	run -0 /usr/bin/python3 "$TREE/test/openmetrics.py" "$TREE/.output/tools/prometheus_client" \
		"$BATS_TEST_TMPDIR/openmetrics"
	for feature in "${!FAMILIES[@]}"; do
		for family in ${FAMILIES[$feature]}; do
			if [ "$(state_of "$feature")" = off ]; then
				no_line "^(# TYPE )?$family(_total)?[ {]" cat "$BATS_TEST_TMPDIR/metrics"
			else
				grep -qE "^# TYPE $family(_total)? " "$BATS_TEST_TMPDIR/metrics"
			fi
		done
	done
	# The same states as status.sh has.
	sed -n 's/^connpin_feature_info{feature="\([^"]*\)".*state="\([^"]*\)".*/\1 \2/p' \
		"$BATS_TEST_TMPDIR/metrics" | sort >"$BATS_TEST_TMPDIR/told"
	cut -d ' ' -f 1,2 "$BATS_TEST_TMPDIR/expected" | grep -v '^ipv6_block' | sort |
		diff - "$BATS_TEST_TMPDIR/told"
}

# runs_with FEATURE:STATE...: attach.sh, after what the test refused, attaches; these
# features are so, with a reason, and all others as they were; what is left works.
runs_with() {
	run -0 "$SCRIPTS/attach.sh"
	echo "$output"
	each_rule_refused
	expect "$@" >"$BATS_TEST_TMPDIR/expected"
	run "$SCRIPTS/status.sh"
	echo "$output"
	diff "$BATS_TEST_TMPDIR/expected" <(states <<<"$output")
	if grep -qE ' (degraded|off)' "$BATS_TEST_TMPDIR/expected"; then
		[ "$status" -eq 1 ]
	else
		[ "$status" -eq 0 ]
	fi
	look_ups_are_right
	metrics_are_valid
}

# blocks_with FEATURE:STATE...: the same of the IPv6 block. What can be had is on, but who
# counts on it is told that it is not all.
blocks_with() {
	local feature
	run -3 "$SCRIPTS/ipv6-block.sh" on
	echo "$output"
	[[ $output = *"native IPv6 is refused but for "* ]]
	each_rule_refused
	run -1 "$SCRIPTS/status.sh"
	echo "$output"
	for feature in ipv6_block_tcp ipv6_block_udp ipv6_block_raw; do
		case " $* " in
		*" $feature:off "*) grep -qx "$feature off reason" <(states <<<"$output") ;;
		*) grep -qx "$feature on" <(states <<<"$output") ;;
		esac
	done
}

@test "the machine refuses what a rule says, and nothing else" {
	refuse load type=tracing attach=iter
	run ! bpftool prog loadall "$TREE/.output/bpf/tcp_live.bpf.o" /sys/fs/bpf/try
	[[ $output = *"failed: Operation not permitted"* ]]
	each_rule_refused
	run -0 bpftool prog loadall "$TREE/.output/bpf/ipv6_blocker.bpf.o" /sys/fs/bpf/try
	rm -r /sys/fs/bpf/try
}

# --- types of programs ---------------------------------------------------------

@test "attach.sh (sock_ops programs refused) runs without opens and events of TCP" {
	refuse load type=sock_ops
	runs_with tcp_opens:off tcp_events:off
}

@test "attach.sh (cgroup/sendmsg4 programs refused) runs without datagrams over IPv4" {
	refuse load type=cgroup_sock_addr attach=sendmsg4
	runs_with udp_sends_v4:off
}

@test "attach.sh (cgroup/sendmsg6 programs refused) runs without datagrams over IPv6" {
	refuse load type=cgroup_sock_addr attach=sendmsg6
	runs_with udp_sends_v6:off
}

@test "attach.sh (cgroup/recvmsg4 programs refused) does not know replies of UDP servers" {
	refuse load type=cgroup_sock_addr attach=recvmsg4
	runs_with udp_replies:off
}

@test "attach.sh (cgroup/sock_create programs refused) runs without raw, ping and other sockets of IP" {
	refuse load type=cgroup_sock
	runs_with other_ip:off
}

@test "attach.sh (fentry programs refused) counts by tracepoint" {
	refuse load type=tracing attach=fentry
	runs_with tcp_states:degraded resets_received:degraded
}

@test "attach.sh (fexit programs refused) records connected UDP by tracepoint" {
	# The program that sees who listens is one.
	refuse load type=tracing attach=fexit
	runs_with connected_udp:degraded accepted:degraded tcp_states:degraded other_families:degraded
}

@test "attach.sh (fexit and tracepoint programs refused) runs without connected UDP" {
	refuse load type=tracing attach=fexit
	refuse load type=tracepoint
	runs_with connected_udp:off accepted:off tcp_states:degraded other_families:off
}

@test "attach.sh (fentry and tp_btf programs refused) counts opened, accepted and failed connections" {
	refuse load type=tracing attach=fentry
	refuse load type=tracing attach=tp_btf
	runs_with tcp_states:degraded resets_received:degraded live_sockets:off older_sockets:off by_cgroup:off
}

@test "attach.sh (fentry, fexit and tp_btf programs refused) counts opened, accepted and failed connections" {
	refuse load type=tracing attach=fentry
	refuse load type=tracing attach=fexit
	refuse load type=tracing attach=tp_btf
	runs_with tcp_states:degraded resets_received:degraded connected_udp:degraded \
		accepted:degraded live_sockets:off older_sockets:off by_cgroup:off other_families:degraded
}

@test "attach.sh (iterators refused) runs without live sockets and statistics of programs" {
	refuse load type=tracing attach=iter
	runs_with live_sockets:off older_sockets:off program_stats:off by_cgroup:off \
		open_before:off older_other:off held_other:off
}

@test "attach.sh (all tracing programs refused) runs with those for cgroups and tracepoints" {
	refuse load type=tracing
	runs_with tcp_states:degraded resets_received:degraded connected_udp:degraded \
		live_sockets:off older_sockets:off program_stats:off by_cgroup:off \
		accepted:degraded open_before:off other_families:degraded older_other:off held_other:off
}

# libbpf takes a refused tracepoint for a kernel without bpf_probe_read_kernel().
@test "attach.sh (tracepoint programs refused, to libbpf as well) says so of each feature that it costs" {
	refuse load type=tracepoint unnamed=1
	run -0 "$SCRIPTS/attach.sh"
	echo "$output"
	each_rule_refused
	run "$SCRIPTS/status.sh"
	echo "$output"
	[ "$status" -le 1 ]
	[[ $output = *"tcp_opens        "@(on|degraded)" "* ]]
}

# A helper that is not there is what the machines with Linux 5.10 and with
# lockdown=confidentiality have (test/core.bats).

# --- attaching what was loaded -------------------------------------------------

@test "attach.sh (attaching to sock_ops refused) runs without opens and events of TCP" {
	refuse attach attach=sock_ops
	runs_with tcp_opens:off tcp_events:off
}

@test "attach.sh (attaching to sendmsg4 refused) runs without datagrams over IPv4" {
	refuse attach attach=sendmsg4
	runs_with udp_sends_v4:off
}

@test "attach.sh (attaching to sendmsg6 refused) runs without datagrams over IPv6" {
	refuse attach attach=sendmsg6
	runs_with udp_sends_v6:off
}

@test "attach.sh (attaching to recvmsg6 refused) does not know replies of UDP servers" {
	refuse attach attach=recvmsg6
	runs_with udp_replies:off
}

@test "attach.sh (links of iterators refused) runs without live sockets and statistics of programs" {
	refuse create_link attach=iter
	runs_with live_sockets:off older_sockets:off program_stats:off by_cgroup:off \
		open_before:off older_other:off held_other:off
}

@test "attach.sh (opening tracepoints refused) runs with the programs for cgroups and iterators" {
	refuse open_tracepoint
	runs_with tcp_states:off resets_received:off resets_sent:off connected_udp:degraded \
		accepted:degraded live_sockets:off older_sockets:off by_cgroup:off other_families:degraded
}

# --- maps --------------------------------------------------------------------

@test "attach.sh (hash maps refused) runs without metrics by cgroup" {
	refuse create type=hash error=ENOMEM
	run -0 "$SCRIPTS/attach.sh"
	echo "$output"
	each_rule_refused
	run -1 "$SCRIPTS/status.sh"
	[[ $output = *"tcp_opens        on "* ]]
}

# --- the IPv6 block ------------------------------------------------------------

@test "ipv6-block.sh on (cgroup/connect6 programs refused) blocks the rest and says so" {
	refuse load type=cgroup_sock_addr attach=connect6
	blocks_with ipv6_block_tcp:off
}

@test "ipv6-block.sh on (cgroup/sendmsg6 programs refused) blocks the rest and says so" {
	refuse load type=cgroup_sock_addr attach=sendmsg6
	blocks_with ipv6_block_udp:off
}

@test "ipv6-block.sh on (cgroup/sock_create programs refused) blocks the rest and says so" {
	refuse load type=cgroup_sock
	blocks_with ipv6_block_raw:off
}

# --- all of it -----------------------------------------------------------------

@test "attach.sh (every program refused) says so in one line, exits 3 and leaves nothing" {
	# What has no name as well: where libbpf's attempt with a name is refused, it goes on
	# without names.
	refuse load unnamed=1
	run -3 "$SCRIPTS/attach.sh"
	echo "$output"
	[ "$(grep -cv '^+ \|^map create \|undoing' <<<"$output")" -eq 1 ]
	unchanged_since "$BEFORE"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the container files promise: these capabilities are enough, and each is needed.

load helper

FEATURES='$2 ~ /^(on|off|degraded)$/ && !($1 == "connected_udp" && $2 != "on") { print $1, $2 }'
MANIFEST=$TREE/etc/kubernetes/connpin.yaml

# As on any node: systemd has mounted the bpf file system. To mount it would take
# CAP_SYS_ADMIN.
setup_file() {
	export MOUNTED=''
	grep -q ' /sys/fs/bpf bpf ' /proc/mounts || {
		mount -t bpf -o mode=0700 bpf /sys/fs/bpf
		MOUNTED=1
	}
}

teardown_file() {
	[ -z "$MOUNTED" ] || umount /sys/fs/bpf
}

teardown() {
	detach
}

# What the first container of the manifest adds, as "chown,bpf".
capabilities() {
	sed -n 's/^ *add: \[\(.*\)\]$/\1/p' "$MANIFEST" | tr -d ' ' | tr '[:upper:]' '[:lower:]'
}

# limited LIST COMMAND...: as root with these capabilities, and with no way to others.
limited() {
	local list=,$1
	shift
	setpriv --bounding-set "-all${list//,/,+}" --no-new-privs "$@"
}

@test "attach.sh (capabilities of the manifest) attaches as root does, and once" {
	before=$(bpf_inventory)
	attach
	# The features and their states. Where fexit is refused, connected UDP sockets are
	# left to a tracepoint, whose number only CAP_SYS_ADMIN may look up.
	"$SCRIPTS/status.sh" | awk "$FEATURES" >"$BATS_TEST_TMPDIR/full"
	detach
	unchanged_since "$before"
	run -0 limited "$(capabilities)" "$SCRIPTS/attach.sh"
	inside=$(bpf_inventory)
	limited "$(capabilities)" "$SCRIPTS/status.sh" | awk "$FEATURES" |
		cmp - "$BATS_TEST_TMPDIR/full"
	grep -q ' on$' "$BATS_TEST_TMPDIR/full"
	run -0 limited "$(capabilities)" "$SCRIPTS/attach.sh"
	[[ $output = *'already attached: nothing to do' ]]
	unchanged_since "$inside"
	run -0 limited "$(capabilities)" "$SCRIPTS/detach.sh"
	unchanged_since "$before"
}

@test "attach.sh (one of the capabilities missing) fails, and leaves nothing attached" {
	before=$(bpf_inventory)
	list=$(capabilities)
	[ "$(echo "$list" | tr , '\n' | wc -l)" -eq 5 ]
	for name in ${list//,/ }; do
		less=,$list,
		less=${less/,$name,/,}
		less=${less#,}
		limited "${less%,}" "$SCRIPTS/attach.sh" >"$BATS_TEST_TMPDIR/said" 2>&1 && {
			echo "attached without $name"
			return 1
		}
		grep -qi 'not permitted\|permission denied\|invalid argument' "$BATS_TEST_TMPDIR/said"
		unchanged_since "$before"
	done
}

@test "serve.sh (no capability, read-only pins) answers with the metrics" {
	attach
	# As in the second container: its own mounts, the pins read-only, a place of its own.
	mkdir -m 0777 "$BATS_TEST_TMPDIR/run"
	chmod 0711 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "${BATS_TEST_TMPDIR%/*}"
	HTTP_RUN_DIR=$BATS_TEST_TMPDIR/run unshare --mount sh -c 'mount --bind /sys/fs/bpf /sys/fs/bpf && mount -o remount,bind,ro /sys/fs/bpf &&
		exec setpriv --reuid 65534 --regid connpin --clear-groups --bounding-set -all --no-new-privs "$@"' \
		- "$SCRIPTS/serve.sh" >"$BATS_TEST_TMPDIR/server" 2>&1 3>&- &
	server=$!
	answers() {
		curl -s -m 5 "http://$LISTEN/cgi-bin/metrics" | grep -q '^tcp_active_connections_total [0-9]'
	}
	poll answers || {
		cat "$BATS_TEST_TMPDIR/server"
		return 1
	}
	[ "$(awk '$1 == "CapEff:" || $1 == "CapBnd:" { print $2 }' "/proc/$server/status" | sort -u)" = 0000000000000000 ]
	curl -s "http://$LISTEN/cgi-bin/metrics" >"$BATS_TEST_TMPDIR/metrics"
	curl -s "http://$LISTEN/cgi-bin/list" >"$BATS_TEST_TMPDIR/list"
	kill "$server"
	grep -q '"comm":"curl"' "$BATS_TEST_TMPDIR/list"
	grep -q '^connpin_feature_info{feature="tcp_opens",hook="sock_ops",state="on"} 1' "$BATS_TEST_TMPDIR/metrics"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the container files promise: these capabilities are enough, and each is needed.

load helper

FEATURES='$2 ~ /^(on|off|degraded)$/ && !($1 ~ /^(connected_udp|accepted|other_families)$/ && $2 != "on") { print $1, $2 }'
MANIFEST=$TREE/etc/kubernetes/connpin.yaml
PROFILE=$TREE/etc/kubernetes/connpin-seccomp.json

# As on any node: systemd has mounted the bpf file system. To mount it would take
# CAP_SYS_ADMIN.
setup_file() {
	mount_bpffs
}

teardown_file() {
	unmount_bpffs
}

teardown() {
	[ -z "${SERVER-}" ] || end_container
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
	# The features and their states. Where fexit is refused, some are left to a tracepoint,
	# whose number only CAP_SYS_ADMIN may look up.
	"$SCRIPTS/status.sh" | awk "$FEATURES" >"$BATS_TEST_TMPDIR/full"
	detach
	unchanged_since "$before"
	run -0 limited "$(capabilities)" "$SCRIPTS/attach.sh"
	inside=$(bpf_inventory)
	limited "$(capabilities)" "$SCRIPTS/status.sh" | awk "$FEATURES" |
		cmp - "$BATS_TEST_TMPDIR/full"
	grep -q ' on$' "$BATS_TEST_TMPDIR/full"
	run -0 limited "$(capabilities)" "$SCRIPTS/attach.sh"
	[[ $output = *'already attached: nothing to do'* ]]
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
		case $name in
		bpf | perfmon | net_admin) grep -qi "a capability is missing:.*cap_$name" "$BATS_TEST_TMPDIR/said" ;;
		*) grep -qi 'not permitted\|permission denied' "$BATS_TEST_TMPDIR/said" ;;
		esac
		unchanged_since "$before"
	done
}

# rules FILTER FILE: the rules of the profile, as test/seccomp.c wants them; FILTER is an
# expression of Python about an entry e that stays.
rules() {
	/usr/bin/python3 -c 'import json, sys
profile = json.load(open(sys.argv[1]))
assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
print("errno", profile["defaultErrnoRet"])
for e in profile["syscalls"]:
    assert e["action"] == "SCMP_ACT_ALLOW"
    if not eval(sys.argv[2]):
        continue
    for name in e["names"]:
        for a in e.get("args", [{}]):
            assert a.get("op", "SCMP_CMP_EQ") == "SCMP_CMP_EQ" and len(e.get("args", [])) < 2
            print(name, *(a[k] for k in ("index", "value") if k in a))' "$PROFILE" "$1" >"$2"
}

# start_container [COMMAND...]: the server as in the last container, its own mounts, the pins
# read-only, a place of its own, no capability; COMMAND runs it. What it says is in SAID.
start_container() {
	[ -d "$BATS_TEST_TMPDIR/run" ] || mkdir -m 0777 "$BATS_TEST_TMPDIR/run"
	chmod 0711 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "${BATS_TEST_TMPDIR%/*}"
	SAID=$BATS_TEST_TMPDIR/server
	HTTP_RUN_DIR=$BATS_TEST_TMPDIR/run unshare --mount sh -c 'mount --bind /sys/fs/bpf /sys/fs/bpf && mount -o remount,bind,ro /sys/fs/bpf &&
		exec setpriv --reuid 65534 --regid connpin --clear-groups --bounding-set -all --no-new-privs "$@"' \
		- "$@" "$SCRIPTS/serve.sh" >"$SAID" 2>&1 3>&- &
	SERVER=$!
	poll curl -s -m 5 -o /dev/null "http://$LISTEN/" || {
		cat "$SAID"
		return 1
	}
}

# under COMMAND...: under the rules.
under() {
	"$TREE/.output/test/seccomp" "$BATS_TEST_TMPDIR/rules" "$@"
}

end_container() {
	kill "$SERVER"
	wait "$SERVER" || true
	SERVER=
}

@test "serve.sh (no capability, read-only pins, the manifest's seccomp profile) answers as without the profile" {
	attach
	rules True "$BATS_TEST_TMPDIR/rules"
	for filter in '' "$TREE/.output/test/seccomp $BATS_TEST_TMPDIR/rules"; do
		# shellcheck disable=SC2086 # words
		start_container $filter
		[ "$(awk '$1 == "CapEff:" || $1 == "CapBnd:" { print $2 }' "/proc/$SERVER/status" | sort -u)" = 0000000000000000 ]
		[ "$(awk '$1 == "Seccomp:" { print $2 }' "/proc/$SERVER/status")" = "${filter:+2}" ] || [ -z "$filter" ]
		curl -s -f "http://$LISTEN/cgi-bin/metrics" >"$BATS_TEST_TMPDIR/metrics"
		curl -s -f "http://$LISTEN/cgi-bin/list" >"$BATS_TEST_TMPDIR/list"
		curl -s -f "http://$LISTEN/cgi-bin/list?encoding=gzip" | gzip -d >"$BATS_TEST_TMPDIR/gzip"
		[ "$(setpriv --reuid 64123 --regid 64123 --clear-groups curl -s -o /dev/null -w '%{http_code}' "http://$LISTEN/cgi-bin/list")" = 200 ]
		[ "$(curl -s -o /dev/null -w '%{http_code}' "http://$LISTEN/cgi-bin/lookup?dst=192.0.2.1&sport=1&dport=2")" = 404 ]
		[ "$(curl -s -o /dev/null -w '%{http_code}' -L "http://$LISTEN/metrics")" = 200 ]
		end_container
		grep -q '"comm":"curl"' "$BATS_TEST_TMPDIR/list"
		grep -q '"comm":"curl"' "$BATS_TEST_TMPDIR/gzip"
		grep -q '^connpin_feature_info{feature="tcp_opens",hook="sock_ops",state="on"} 1' "$BATS_TEST_TMPDIR/metrics"
		no_line 'is refused' cat "$SAID"
	done
}

@test "serve.sh (a seccomp profile without bpf(2), as container runtimes have) says so, and so do its answers" {
	attach
	rules '"bpf" not in e["names"]' "$BATS_TEST_TMPDIR/rules"
	for errno in 1 38; do
		sed -i "1s/.*/errno $errno/" "$BATS_TEST_TMPDIR/rules"
		start_container "$TREE/.output/test/seccomp" "$BATS_TEST_TMPDIR/rules"
		[ "$(curl -s -o "$BATS_TEST_TMPDIR/metrics" -w '%{http_code}' "http://$LISTEN/cgi-bin/metrics")" = 503 ]
		[ "$(curl -s -o "$BATS_TEST_TMPDIR/list" -w '%{http_code}' "http://$LISTEN/cgi-bin/list")" = 503 ]
		end_container
		[ "$(grep -c 'serve.sh: bpf(2) is refused: .*connpin-seccomp.json' "$SAID")" -eq 1 ]
		grep -q '^bpf(2) is refused' "$BATS_TEST_TMPDIR/metrics"
		grep -q '"error":"bpf(2) is refused' "$BATS_TEST_TMPDIR/list"
	done
}

@test "the manifest's seccomp profile (root under it) lets maps be read, and nothing else be done with bpf(2)" {
	attach
	rules True "$BATS_TEST_TMPDIR/rules"
	run -0 under "$TREE/.output/test/open_pin" "$PIN_DIR/maps/conn_to_pid_v4" r
	# As root, who may open it for writing.
	run -0 under "$TREE/.output/test/open_pin" "$PIN_DIR/maps/conn_to_pid_v4" rw
	[ "$output" = 'update: Function not implemented' ]
	run -0 under "$HELPERS/conn-list"
	for command in 'bpftool map create /sys/fs/bpf/connpin_more type array key 4 value 4 entries 1 name more' \
		"bpftool map update pinned $PIN_DIR/maps/conn_to_pid_v4 key 0 0 0 0 0 0 0 0 0 0 0 0 value 1 0 0 0" 'unshare --mount true' 'chroot / true' \
		'mount -t tmpfs none /mnt' "bpftool prog load $TREE/.output/bpf/udp_connect_tp.bpf.o /sys/fs/bpf/connpin_more"; do
		# shellcheck disable=SC2086 # words
		run ! under $command
	done
	[ ! -e /sys/fs/bpf/connpin_more ]
}

@test "the manifest's seccomp profile (on x86-64) names system calls that there are" {
	[ "$(uname -m)" = x86_64 ] || skip "other architectures lack some"
	rules True "$BATS_TEST_TMPDIR/rules"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/rules")" -gt 100 ]
	run -0 "$TREE/.output/test/seccomp" "$BATS_TEST_TMPDIR/rules" -l
	[ -z "$output" ]
}

@test "the manifest and the image (the server's user) agree, on a number that nobody gives out" {
	uid=$(sed -n 's/^ *runAsUser: \([0-9]*\)$/\1/p' "$MANIFEST" | grep -vx 0)
	gid=$(sed -n 's/^ *runAsGroup: \([0-9]*\)$/\1/p' "$MANIFEST")
	grep -q "groupadd --gid $gid connpin && useradd --uid $uid --gid connpin" "$TREE/etc/container/Containerfile"
	[ "$uid" = "$gid" ]
	# Over nobody, and below the subordinate ids of useradd.
	[ "$uid" -gt 65535 ]
	[ "$uid" -lt 100000 ]
	grep -q "localhostProfile: ${PROFILE##*/}$" "$MANIFEST"
}

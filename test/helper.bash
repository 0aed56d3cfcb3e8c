# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# helper.bash: what the test files share. Loaded by each, first.
#
# In a virtual machine the suite uses connpin's own places; on a host it keeps to
# places of its own, so that an installed connpin goes on undisturbed. Two suites at
# once need another CONNPIN_TEST_NAME and CONNPIN_TEST_PORT each.

bats_require_minimum_version 1.5.0

TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SCRIPTS=$TREE/scripts
HELPERS=$TREE/helpers
TRAFFIC=$TREE/.output/test/traffic
export TREE SCRIPTS HELPERS TRAFFIC

if [ -z "${CONNPIN_KERNEL_LINE-}" ]; then
	name=${CONNPIN_TEST_NAME-connpin_test}
	export PIN_DIR=/sys/fs/bpf/$name RUN_DIR=/run/$name LISTEN=127.0.0.1:${CONNPIN_TEST_PORT-9190}
else
	export PIN_DIR=/sys/fs/bpf/connpin RUN_DIR=/run/connpin LISTEN=127.0.0.1:9090
fi

# The cgroup v2 root, found in another way than the scripts do.
CGROUP_ROOT=/sys/fs/cgroup
[ ! -d /sys/fs/cgroup/unified ] || CGROUP_ROOT=/sys/fs/cgroup/unified
export CGROUP_ROOT

attach() {
	"$SCRIPTS/attach.sh" >"$BATS_FILE_TMPDIR/attach.log" 2>&1 || {
		cat "$BATS_FILE_TMPDIR/attach.log"
		return 1
	}
}

detach() {
	"$SCRIPTS/detach.sh" >"$BATS_FILE_TMPDIR/detach.log" 2>&1 || {
		cat "$BATS_FILE_TMPDIR/detach.log"
		return 1
	}
}

# requires WORD: skip what this kernel can't do. Which machine may skip what stands in
# test/skips; an unknown word is a bug.
requires() {
	has "$1" || skip "no $1 here"
}

# has WORD: asked of the kernel once, by a program of test/probe that nothing else uses.
has() {
	local answer=$BATS_RUN_TMPDIR/has-$1
	if [ ! -f "$answer" ]; then
		case $1 in
		readonly_pins) has_readonly_pins ;;
		# 32-bit system calls, for which a kernel may end a process (ia32_emulation=0).
		int80) "$TREE/.output/test/ways" int80-udp-connect 127.0.0.1 9 </dev/null >/dev/null 2>&1 ;;
		mptcp | sctp | vsock | xdp) [ "$("$TRAFFIC" try-socket "$1" 4)" = ok ] ;;
		*)
			[ -f "$TREE/test/probe/$1.bpf.c" ] || {
				echo "has: unknown word $1"
				exit 1
			}
			bpftool prog loadall "$TREE/.output/test/probe/$1.bpf.o" /sys/fs/bpf/connpin_probe >/dev/null 2>&1
			;;
		esac && echo yes >"$answer" || echo no >"$answer"
		rm -rf /sys/fs/bpf/connpin_probe
	fi
	[ "$(cat "$answer")" = yes ]
}

# Whoever may read a pinned map opens it, without a capability: Linux 5.19 and later.
has_readonly_pins() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m sh -ec 'mount -t bpf bpf /sys/fs/bpf
		bpftool map create /sys/fs/bpf/probe type array key 4 value 4 entries 1 name probe
		chmod 0444 /sys/fs/bpf/probe
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$0" /sys/fs/bpf/probe r' \
		"$TREE/.output/test/open_pin" >/dev/null 2>&1
}

# take_away MAP: as if it had not been made, until bring_back, which belongs into teardown.
take_away() {
	AWAY=$PIN_DIR/maps/$1
	mv "$AWAY" "${AWAY}_away"
}

bring_back() {
	[ -z "${AWAY-}" ] || mv "${AWAY}_away" "$AWAY"
	AWAY=
}

# Everything of BPF on this host, for a comparison of before and after. Objects
# that are being freed may linger for a moment: see unchanged_since and inventory_before.
bpf_inventory() {
	# Names: the ids of the kernel's and systemd's own come and go.
	printf '%s\n' 'prog show' 'map show' 'link show' "cgroup tree $CGROUP_ROOT" |
		bpftool batch file - 2>/dev/null | awk '
		/^[0-9]+: .*  name / { sub(/^[0-9]+: /, ""); sub(/  (tag|flags) .*/, ""); if (!/name libbpf_/) print; next }
		/^[0-9]+: / { print "link", $2; next }
		/^\// || /^ *[0-9]+ +[a-z]/ { sub(/^ *[0-9]+ +/, "cgroup "); print }' | sort
	find /sys/fs/bpf -mindepth 1 ! -name '*.debug' 2>/dev/null | sort
}

# bpf_inventory() at the beginning of a test. What the file of tests before this one detached
# may still be being freed: only two in a row that are the same are at rest.
inventory_before() {
	local last='' now
	now=$(bpf_inventory)
	while [ "$BATS_TEST_NUMBER" = 1 ] && [ "$now" != "$last" ]; do
		sleep 0.3
		last=$now
		now=$(bpf_inventory)
	done
	printf '%s\n' "$now"
}

# For a whole file of tests: a bpf file system at its place, mounted if there is none.
mount_bpffs() {
	export MOUNTED=''
	grep -q ' /sys/fs/bpf bpf ' /proc/mounts || {
		mount -t bpf -o mode=0700 bpf /sys/fs/bpf
		MOUNTED=1
	}
}

unmount_bpffs() {
	[ -z "$MOUNTED" ] || umount /sys/fs/bpf
}

# unchanged_since BEFORE: nothing has come, and no pin, link or attachment has gone. A program
# or a map that was there for these has gone with them; one that has gone alone was still being
# freed.
unchanged_since() {
	local tries=50 changed
	while changed=$(diff <(printf '%s\n' "$1") <(bpf_inventory) |
		grep -E '^> |^< (/|link |cgroup )'); do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || {
			printf '%s\n' "$changed"
			return 1
		}
		sleep 0.1
	done
}

# poll COMMAND...: until it succeeds, 10 s at most.
poll() {
	local tries=100
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || {
			echo "gave up on: $*"
			return 1
		}
		sleep 0.1
	done
}

# no_line PATTERN COMMAND...: it succeeds and prints no line that matches. ("! grep"
# would pass unseen: the shell does not end at a negated command.)
no_line() {
	local found pattern=$1
	shift
	"$@" >"$BATS_TEST_TMPDIR/lines"
	found=$(grep -aE -- "$pattern" "$BATS_TEST_TMPDIR/lines") || return 0
	printf 'there should be no such line:\n%s\n' "$found"
	return 1
}

# start NAME COMMAND...: a process that runs until stop_all, its standard input
# open and its first line of output, once it is there, in FIRST. Its id is in PID.
start() {
	local name=$1 dir=$BATS_TEST_TMPDIR
	shift
	rm -f "$dir/$name".*
	mkfifo "$dir/$name.in"
	"$@" <"$dir/$name.in" >"$dir/$name.out" 2>"$dir/$name.err" 3>&- &
	PID=$!
	STARTED="${STARTED-} $PID"
	exec {fd}>"$dir/$name.in"
	HELD="${HELD-} $fd"
	poll test -s "$dir/$name.out" || {
		cat "$dir/$name.err"
		return 1
	}
	read -r FIRST <"$dir/$name.out"
}

stop_all() {
	local pid fd
	for pid in ${STARTED-}; do
		kill "$pid" 2>/dev/null || true
	done
	# Some take no signal, but all end with their standard input.
	for fd in ${HELD-}; do
		exec {fd}>&-
	done
	for pid in ${STARTED-}; do
		wait "$pid" 2>/dev/null || true
	done
	STARTED='' HELD=''
}

# A TCP server at ADDRESS, one of each name; its port in PORT.
# shellcheck disable=SC2034 # for the tests
start_server() {
	start "server${2-}" "$TRAFFIC" listen "$1" 0
	PORT=${FIRST#ready }
}

# The process id and source port that a client of traffic printed.
client_pid() {
	echo "${FIRST% *}"
}

client_port() {
	echo "${FIRST#* }"
}

# The value of one metric now.
metric() {
	"$HELPERS/tcp-metrics" | sed -n "s/^$1 //p"
}

# field PROTOCOL NAME: a value of /proc/net/snmp as this network namespace has it.
snmp() {
	awk -v protocol="$1:" -v name="$2" '
		$1 == protocol && !seen { for (i = 2; i <= NF; i++) if ($i == name) column = i; seen = 1; next }
		$1 == protocol { print $column }' "${3-/proc/net/snmp}"
}

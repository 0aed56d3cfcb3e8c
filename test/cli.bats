#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Bad input to the commands: one clear line, the right exit status, nothing else.

load helper

# refuses STATUS TEXT COMMAND...: that status, nothing on stdout, one line on stderr
# that has TEXT in it.
refuses() {
	local status=$1 text=$2
	shift 2
	run -"$status" --separate-stderr "$@"
	[ -z "$output" ]
	echo "stderr: $stderr"
	# shellcheck disable=SC2154 # run sets it
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr = *"$text"* ]]
}

lookup() {
	"$HELPERS/conn-lookup" "$@"
}

@test "conn-lookup (address that does not parse) exits 2 and names it" {
	for address in '' 1.2.3 1.2.3.4.5 256.1.1.1 01.2.3.4x ::g fe80::1%lo '1.2.3.4 ' host \
		'$(id)' '`id`' "'" '1.2.3.4;id'; do
		refuses 2 "DST '" lookup "$address" 1 2
	done
	refuses 2 "DST '1.2.3.4?id' is not an IPv4 or IPv6 address" lookup $'1.2.3.4\nid' 1 2
}

@test "conn-lookup (port that does not parse) exits 2 and names it" {
	for port in '' 0 65536 +1 1x 0x10 ' 1' '1 ' 99999999999999999999999 1.0; do
		refuses 2 "SRC_PORT '$port' is not a port: a number from 1 to 65535" lookup 1.2.3.4 "$port" 2
		refuses 2 "DST_PORT '$port' is not a port: a number from 1 to 65535" lookup 1.2.3.4 2 "$port"
	done
}

@test "conn-lookup (protocol that does not parse) exits 2 and names it" {
	for protocol in '' TCP sctp 6 tcpx; do
		refuses 2 "PROTOCOL '$protocol' is not a protocol: tcp or udp" lookup -p "$protocol" 1.2.3.4 1 2
	done
}

@test "conn-lookup (wrong options or operands) exits 2 and points to the usage" {
	refuses 2 "needed: DST SRC_PORT DST_PORT" lookup
	refuses 2 "needed: DST SRC_PORT DST_PORT" lookup 1.2.3.4 1
	refuses 2 "needed: DST SRC_PORT DST_PORT" lookup 1.2.3.4 1 2 3
	refuses 2 "unknown option -x" lookup -x 1.2.3.4 1 2
	refuses 2 "one that takes no argument: --json=x" lookup --json=x 1.2.3.4 1 2
	refuses 2 "--nonsense" lookup --nonsense 1.2.3.4 1 2
	refuses 2 "an argument is missing after -p" lookup 1.2.3.4 1 2 -p
}

@test "conn-lookup and conn-list (not attached) exit 3 and say what to do" {
	refuses 3 "connpin is not attached" lookup 1.2.3.4 1 2
	refuses 3 "run scripts/attach.sh as root" "$HELPERS/conn-list"
	refuses 3 "run scripts/attach.sh as root" "$HELPERS/tcp-metrics"
	refuses 3 "connpin is not attached" lookup - </dev/null
}

@test "conn-lookup (argument of 128 kB) says so in one line" {
	refuses 2 "DST 'aaaa" lookup "$(head -c 120000 /dev/zero | tr '\0' a)" 1 2
	[ "${#stderr}" -lt 1024 ]
}

@test "each helper and script (-h) prints usage on stdout and exits 0" {
	for command in "$HELPERS"/{conn-lookup,conn-list,tcp-metrics,attach-tracing,move-pins,run-httpd,carry-counters,pinned,read-settings} \
		"$SCRIPTS"/{attach,detach,status,ipv6-block,serve,quickstart,test}.sh "$SCRIPTS/connpin"; do
		for option in -h --help; do
			run -0 --separate-stderr "$command" "$option"
			[[ ${lines[0]} = "usage: "* ]]
			[ -z "$stderr" ]
		done
	done
}

@test "each helper and script (unknown argument) exits 2" {
	for command in "$HELPERS"/{conn-lookup,conn-list,tcp-metrics,attach-tracing,move-pins,run-httpd,read-settings} \
		"$SCRIPTS"/{attach,detach,status,ipv6-block,serve,quickstart,test}.sh "$SCRIPTS/connpin"; do
		run -2 --separate-stderr "$command" --nonsense
		[ -z "$output" ]
		[ -n "$stderr" ]
	done
}

@test "helpers (standard output full) exit 3 and say so" {
	attach
	rc=0
	"$HELPERS/tcp-metrics" >/dev/full 2>"$BATS_TEST_TMPDIR/err" || rc=$?
	detach
	[ "$rc" -eq 3 ]
	grep -q 'cannot write to standard output: No space left on device' "$BATS_TEST_TMPDIR/err"
}

@test "conn-lookup - (bad lines) answers each with an error and goes on" {
	attach
	{
		printf '\n'
		printf 'tcp 1.2.3.4 1\n'
		printf 'tcp 1.2.3.4 1 2 3\n'
		printf 'TCP 1.2.3.4 1 2\n'
		printf 'tcp 1.2.3.400 1 2\n'
		printf 'tcp 1.2.3.4 0 2\n'
		printf 'tcp 1.2.3.4 1 x\n'
		printf 'tcp 1.2.3.4 1 2\0\n'
		head -c 300000 /dev/zero | tr '\0' a
		printf '\n\377\376 " \\ \001\n'
		printf 'udp\t::1  7 9 \r\n'
	} >"$BATS_TEST_TMPDIR/in"
	rc=0
	"$HELPERS/conn-lookup" - <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" || rc=$?
	detach
	[ "$rc" -eq 0 ]
	cat "$BATS_TEST_TMPDIR/out"
	/usr/bin/python3 - "$BATS_TEST_TMPDIR/out" <<-'END'
		import json, sys
		rows = [json.loads(line) for line in open(sys.argv[1])]
		assert len(rows) == 11, len(rows)
		errors = [row["error"] for row in rows]
		for i, word in enumerate(["PROTOCOL DST", "PROTOCOL DST", "SRC is", "PROTOCOL is", "DST is",
		                          "SRC_PORT is", "DST_PORT is", "NUL", "too long", "PROTOCOL", "not found"]):
		    assert word in errors[i], (i, word, errors[i])
	END
}

@test "conn-list (bad arguments) exits 2" {
	for seconds in 0 -1 x 86401; do
		refuses 2 "SECONDS is a number from 1 to 86400, not $seconds" "$HELPERS/conn-list" -w "$seconds"
	done
	refuses 2 "'x' is not a port" "$HELPERS/conn-list" --dst-port x
	refuses 2 "'0' is not a PID" "$HELPERS/conn-list" --pid 0
	refuses 2 "'sctp' is not a protocol" "$HELPERS/conn-list" -p sctp
	refuses 2 "'1.2' is not an IPv4 or IPv6 address" "$HELPERS/conn-list" --dst 1.2
	refuses 2 "unexpected argument what" "$HELPERS/conn-list" what
	refuses 2 "an argument is missing after --dst" "$HELPERS/conn-list" --dst
	refuses 2 "an argument is missing after -w" "$HELPERS/conn-list" -w
}

@test "settings (out of range, unknown, not NAME=value) are named with file and line" {
	conf=$BATS_TEST_TMPDIR/conf
	printf '# fine\n\nPIN_DIRR=/x\n' >"$conf"
	CONNPIN_CONF=$conf refuses 2 "$conf line 3: no such setting PIN_DIRR" "$SCRIPTS/attach.sh"
	printf 'what\n' >"$conf"
	CONNPIN_CONF=$conf refuses 2 "$conf line 1: not NAME=value" "$SCRIPTS/attach.sh"
	printf 'CONN_V4_ENTRIES=12' >"$conf"
	CONNPIN_CONF=$conf refuses 2 "$conf line 1: setting CONN_V4_ENTRIES='12': a number from 256 to 16777216" "$SCRIPTS/attach.sh"
	printf '\n\nPIN_GROUP=a\nPIN_GROUP=b\n' >"$conf"
	CONNPIN_CONF=$conf refuses 2 "$conf line 4: PIN_GROUP is set a second time" "$SCRIPTS/attach.sh"
	# What the environment gave is not the file's fault.
	printf 'HTTP_USER=connpin\n' >"$conf"
	CONNPIN_CONF=$conf HTTP_USER='a b' refuses 2 "attach.sh: setting HTTP_USER='a b': a name" "$SCRIPTS/attach.sh"
	for bad in 'LISTEN="127.0.0.1:9090"' 'CONN_V6_ENTRIES=1e5' 'RUN_DIR=run' 'CGROUP=x' 'LOOKUP_ALLOW=1.2.3.4/33' \
		'HTTP_CLIENTS=many' 'CGROUP_LINGER=0300' 'HTTP_RUN_DIR=run' 'HTTP_PASSWD=passwd' 'HTTP_USER=-u' 'PIN_GROUP=' 'PIN_DIR=/sys/fs/bpf/' 'PIN_DIR=//sys//fs/bpf//' \
		$'CONN_V4_ENTRIES=1024\r'; do
		printf '# one\n%s\n' "$bad" >"$conf"
		CONNPIN_CONF=$conf refuses 2 "$conf line 2: setting ${bad%%=*}=" env -u "${bad%%=*}" "$SCRIPTS/attach.sh"
	done
	for bad in ' PIN_GROUP=x' 'export PIN_GROUP=x' 'pin_group=x' 'PIN_GROUP =x' 'PIN_GROUP' '$(id)=x' 'A[$(id)]=x'; do
		printf '# one\n%s\n' "$bad" >"$conf"
		CONNPIN_CONF=$conf refuses 2 "$conf line 2: not NAME=value" "$SCRIPTS/attach.sh"
	done
	printf 'CGROUP=/nonexistent\n' >"$conf"
	CONNPIN_CONF=$conf refuses 3 "$conf line 1: setting CGROUP='/nonexistent': no such directory" "$SCRIPTS/attach.sh"
	CONNPIN_CONF=/nonexistent refuses 2 "cannot read /nonexistent" "$SCRIPTS/attach.sh"
	PIN_DIR=relative refuses 2 "setting PIN_DIR='relative'" "$SCRIPTS/attach.sh"
	PIN_DIR=/sys/fs/bpf/a.b refuses 2 "takes no name with a dot" "$SCRIPTS/attach.sh"
	PIN_DIR=/tmp/pins refuses 3 "not on a bpf file system" "$SCRIPTS/attach.sh"
	for listen in nowhere '' ' ' :9090 127.0.0.1 127.0.0.1: 1.2.3:90 ::1:90 '[::1]' '[::1]:' '[127.0.0.1]:90' \
		'[::g]:90' 127.0.0.1:9x '127.0.0.1:90 what' '*:90' '[:]:90' '[1]:90' 'a:90'; do
		LISTEN=$listen refuses 2 "setting LISTEN='$listen': ADDRESS:PORT is needed" "$SCRIPTS/serve.sh"
	done
	LISTEN=127.0.0.1:090 refuses 2 "setting LISTEN='127.0.0.1:090': ADDRESS:PORT is needed" "$SCRIPTS/serve.sh"
	LISTEN=127.0.0.1:99999 refuses 2 "setting LISTEN='127.0.0.1:99999': ADDRESS:PORT is needed" "$SCRIPTS/serve.sh"
	HTTP_CLIENTS=0 refuses 2 "setting HTTP_CLIENTS='0': a number from 1 to 10000" "$SCRIPTS/serve.sh"
	HTTP_SECONDS=-1 refuses 2 "setting HTTP_SECONDS='-1': a number from 1 to 3600" "$SCRIPTS/serve.sh"
	LOOKUP_ALLOW='1.2.3.4/99' refuses 2 "setting LOOKUP_ALLOW='1.2.3.4/99'" "$SCRIPTS/serve.sh"
	LOOKUP_ALLOW='$(id)' refuses 2 "setting LOOKUP_ALLOW=" "$SCRIPTS/serve.sh"
	CGROUP=/nonexistent refuses 3 "setting CGROUP='/nonexistent': no such directory" "$SCRIPTS/attach.sh"
	CGROUP=/tmp refuses 3 "setting CGROUP='/tmp': not a cgroup of version 2" "$SCRIPTS/attach.sh"
	HTTP_USER='a b' refuses 2 "setting HTTP_USER='a b'" "$SCRIPTS/serve.sh"
}

@test "settings (a NUL, a control character, too long, a file too large) are refused in one line" {
	conf=$BATS_TEST_TMPDIR/conf
	printf 'CGROUP=\nPIN_\0GROUP=x\n' >"$conf"
	refuses 2 "$conf line 2: a NUL byte" "$HELPERS/read-settings" "$conf"
	printf 'CGROUP=/a\033[2J\n' >"$conf"
	refuses 2 "$conf line 1: setting CGROUP='/a?[2J': a control character is in it" "$HELPERS/read-settings" "$conf"
	CGROUP=$'/a\nPIN_DIR:0=/x' refuses 2 "setting CGROUP='/a?PIN_DIR:0=/x': a control character" "$HELPERS/read-settings"
	printf 'CGROUP=/%05000d\n' 0 >"$conf"
	refuses 2 "it is longer than 4095 bytes" "$HELPERS/read-settings" "$conf"
	head -c 65537 /dev/zero | tr '\0' '#' >"$conf"
	refuses 2 "cannot read $conf: File too large" "$HELPERS/read-settings" "$conf"
	printf '\n' >>"$conf"
	truncate -s 65536 "$conf"
	run -0 "$HELPERS/read-settings" "$conf"
	refuses 2 "cannot read /: not a regular file" "$HELPERS/read-settings" /
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	refuses 2 "cannot read $BATS_TEST_TMPDIR/fifo: not a regular file" "$HELPERS/read-settings" "$BATS_TEST_TMPDIR/fifo"
	CGROUP=$'/a\303' refuses 2 "it is not UTF-8" "$HELPERS/read-settings"
	for dir in // /. /.. /a/../b /a/./b /a/.. relative; do
		RUN_DIR=$dir refuses 2 "setting RUN_DIR='$dir': an absolute path" "$HELPERS/read-settings"
	done
	[[ $(RUN_DIR=//run///x.y/..z/ "$HELPERS/read-settings") = *$'\nRUN_DIR:0=/run/x.y/..z\n'* ]]
}

@test "settings (as etc/connpin.conf tells the defaults) are read as the defaults" {
	env -i "$HELPERS/read-settings" >"$BATS_TEST_TMPDIR/defaults"
	sed -n 's/^#\([A-Z0-9_]*=.*\)/\1/p' "$TREE/etc/connpin.conf" >"$BATS_TEST_TMPDIR/told"
	env -i "$HELPERS/read-settings" "$BATS_TEST_TMPDIR/told" | sed 's/:[1-9][0-9]*=/:0=/' | diff - "$BATS_TEST_TMPDIR/defaults"
}

@test "check-tables.sh (a setting, a field or a capacity that a file does not tell, or tells wrong) names it" {
	cp -r "$TREE/etc" "$TREE/helpers" "$TREE/scripts" "$BATS_TEST_TMPDIR"
	mkdir "$BATS_TEST_TMPDIR/bpf"
	cp "$TREE/bpf/table" "$BATS_TEST_TMPDIR/bpf"
	check() {
		"$BATS_TEST_TMPDIR/helpers/lib/check-tables.sh" "$HELPERS/read-settings" "$TREE/.output/bpf/inventory"
	}
	# changed FILE SCRIPT MESSAGE: with FILE changed by sed so, it fails and says so.
	changed() {
		sed -i "$2" "$BATS_TEST_TMPDIR/$1"
		run ! cmp -s "$TREE/$1" "$BATS_TEST_TMPDIR/$1"
		run -1 check
		[[ $output = *"$3"* ]]
		cp "$TREE/$1" "$BATS_TEST_TMPDIR/$1"
	}
	run -0 check
	changed etc/connpin.conf '/^#HTTP_SECONDS=/d' 'missing: HTTP_SECONDS=10'
	changed etc/connpin.conf 's/^#HTTP_SECONDS=10/#HTTP_SECONDS=11/' 'not in the table: HTTP_SECONDS=11'
	changed etc/connpin.conf 's/1 to 3600/1 to 60/' 'connpin.conf: nothing about HTTP_SECONDS says 1 to 3600'
	changed etc/connpin.conf.5 's/^\.It Va HTTP_SECONDS/&S/' 'missing: HTTP_SECONDS'
	changed etc/connpin.conf.5 's/^Default 10\./Default 100./' 'nothing about HTTP_SECONDS says 10'
	changed helpers/conn-lookup.1 's/^\.It Cm uid , gid/.It Cm uid/' 'missing: gid'
	changed helpers/conn-list.1 's/^\.It Cm uid , gid/& , ppid/' 'not in the table: ppid'
	changed helpers/lib/answer.c 's/^	FIELD("ppid"/	FIELD("parent"/' 'missing: parent'
	changed helpers/lib/metrics_programs.c 's/"on_receive_reset", *//' 'missing: on_receive_reset'
	changed bpf/table 's/^map other_sockets .*OTHER_SOCKETS$/&S/' 'missing: OTHER_SOCKETSS'
	changed bpf/table 's/setting:CONN_IN_ENTRIES+btf/setting:CONN_IN+btf/' 'missing: CONN_IN,'
	changed bpf/table 's/setting:OTHER_SOCKETS/setting:OTHER/' 'missing: OTHER,'
	changed scripts/pins.sh 's/^	processes)/	process)/' 'missing: processes'
}

@test "check-globals.awk (a variable that functions share and that nothing names) names it" {
	cp -r "$TREE/scripts" "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR"
	globals() {
		awk -f scripts/check-globals.awk scripts/globals "$TREE/helpers/lib/settings.c" scripts/*.sh scripts/connpin
	}
	# with FILE SCRIPT MESSAGE: with FILE changed by sed so, it fails and says so.
	with() {
		sed -i "$2" "scripts/$1"
		run ! cmp -s "$TREE/scripts/$1" "scripts/$1"
		run -1 globals
		[[ $output = *"scripts/$1:"*"$3"* ]]
		cp "$TREE/scripts/$1" "scripts/$1"
	}
	run -0 globals
	[ -z "$output" ]
	with pins.sh 's/^carry_rest() {/&\n\tCARRIED=yes/' 'CARRIED is set'
	with pins.sh 's/^carry_rest() {/&\n\techo "${CARRIED-}"/' 'CARRIED is neither'
	with globals 's/^SHOWN  /SHOWNN /' 'SHOWNN is not set in pins.sh'
	with status.sh 's/^show_maps() {/&\n\techo "$found"/' 'show_maps reads $found'
	with features.sh 's/note_settings "\$1"/note_settings "$settings_line"/' 'note_progress reads $settings_line'
	with inventory.sh 's/^# set_map NAME: what/# set_map NAME, $sight: what/' 'set_map names $sight'
	with objects.sh 's/^\(# Needs .*\), mounts.sh/\1/' 'Needs mounts.sh for find_cgroup()'
	with mounts.sh 's/^# Needs lib.sh/&, pins.sh/' 'it needs pins.sh, of which it uses nothing'
}

# needed_by FILE: the files that its head names behind "Needs".
needed_by() {
	sed -n '/^#/!q; s/^#//p' "$SCRIPTS/$1" | tr '\n' ' ' | sed -n 's/.*Needs //; s/\. .*//p' | grep -oE '[a-z-]+\.sh'
}

# works FILE COMMANDS: they do in a fresh shell that has sourced FILE, after what it needs.
works() {
	# shellcheck disable=SC2046 # names
	env -i PATH="$PATH" sh -euc 'ROOT=$1 commands=$2
		shift 2
		for file; do
			. "$ROOT/scripts/$file"
		done
		case " $* " in
		*" config.sh "*) load_settings ;;
		esac
		eval "$commands"' "$1" "$TREE" "$2" $(needed_by "$1") "$1"
	echo "$1" >>"$BATS_TEST_TMPDIR/worked"
}

@test "each file that scripts source (alone, with what its head names) works" {
	works lib.sh '! recall nothing && [ "$PROGRAM" = lib.sh ]'
	works config.sh '[ "$LISTEN_URL" = http://127.0.0.1:9090 ]'
	works mounts.sh 'file_system_of /proc/1 && [ "$file_system" = proc ] && check_pin_dir'
	works causes.sh 'cause_of "libbpf: why" && [ "$cause" = why ]'
	works inventory.sh 'list directories && [ -n "$listed" ] && ! set_map none'
	works pins.sh 'BPF_SAID=why && ! bpf_failed && [ "$BPF_ERROR" = why ] && ! has_map_error port_tracker'
	works objects.sh 'rewriters_of port_tracker && [ -z "$rewriters" ] && set_links none port_tracker'
	works features.sh 'holds - && ! is_denied port_tracker && ! is_off tcp_opens'
	works packages.sh 'install_missing && [ -n "$BUILD_PACKAGES" ]'
	grep -lx '# shellcheck shell=sh' "$SCRIPTS"/*.sh | sed 's,.*/,,' | sort >"$BATS_TEST_TMPDIR/sourced"
	sort "$BATS_TEST_TMPDIR/worked" | diff - "$BATS_TEST_TMPDIR/sourced"
}

@test "the inventory asks this kernel for each name that a condition has" {
	local asked
	asked=$(sed -n "s/^	'btf') found='\(.*\)' ;;/\1/p" "$TREE/.output/bpf/inventory" | tr ' ' '\n' | sort)
	[ "$asked" = "$(grep '^rung ' "$TREE/bpf/table" | grep -oE 'btf:[a-z0-9_]+' | cut -d : -f 2 | sort -u)" ]
	[[ $asked = *proto_accept_arg* ]]
}

# elsewhere COMMAND...: where no bpf file system has anything pinned.
elsewhere() {
	unshare --mount sh -c 'mount -t bpf bpf /sys/fs/bpf && exec "$@"' sh "$@"
}

@test "conn-lookup, conn-list, tcp-metrics (PIN_DIR in the file) look there, and the environment goes first" {
	printf '#PIN_DIR=/a\nPIN_GROUP=x\nPIN_DIR=/sys/fs/bpf/other\nRUN_DIR=/b\n' >"$BATS_TEST_TMPDIR/conf"
	export CONNPIN_CONF=$BATS_TEST_TMPDIR/conf
	for command in 'conn-lookup 192.0.2.1 1 2' 'conn-lookup -' conn-list tcp-metrics; do
		# shellcheck disable=SC2086 # words
		refuses 3 "no /sys/fs/bpf/other/maps/" elsewhere env -u PIN_DIR "$HELPERS"/$command </dev/null
		# shellcheck disable=SC2086
		PIN_DIR=/sys/fs/bpf/third refuses 3 "no /sys/fs/bpf/third/maps/" "$HELPERS"/$command </dev/null
		# shellcheck disable=SC2086
		CONNPIN_CONF=/nonexistent refuses 3 "no /sys/fs/bpf/connpin/maps/" elsewhere env -u PIN_DIR "$HELPERS"/$command </dev/null
	done
}

@test "settings (values with every character that is not a control) reach the scripts as they are" {
	printf '%s\n' 'CGROUP=/a "b" $(id) `id` \n %s * ~ ; é'"'" >"$BATS_TEST_TMPDIR/conf"
	for shell in dash 'busybox sh'; do
		# shellcheck disable=SC2016,SC2086 # another shell's, words
		CONNPIN_CONF=$BATS_TEST_TMPDIR/conf run -0 env ROOT="$TREE" $shell -euc '. "$ROOT/scripts/lib.sh"; . "$ROOT/scripts/config.sh"
			load_settings; printf "%s\n" "CGROUP=$CGROUP"' x
		diff <(echo "$output") "$BATS_TEST_TMPDIR/conf"
	done
}

@test "scripts (nothing built) say so in one line" {
	mkdir "$BATS_TEST_TMPDIR/tree"
	cp -r "$TREE/scripts" "$TREE/etc" "$BATS_TEST_TMPDIR/tree"
	for script in attach detach status serve; do
		refuses 3 "nothing is built: run make first" "$BATS_TEST_TMPDIR/tree/scripts/$script.sh"
	done
}

@test "settings (from the file) count, and the environment goes first" {
	conf=$BATS_TEST_TMPDIR/conf
	printf 'CONN_V4_ENTRIES=2048\nCONN_V6_ENTRIES=1024\n' >"$conf"
	CONNPIN_CONF=$conf CONN_V6_ENTRIES=512 attach
	entries=$(bpftool map show pinned "$PIN_DIR/maps/conn_to_pid_v4")
	entries6=$(bpftool map show pinned "$PIN_DIR/maps/conn_to_pid_v6")
	detach
	[[ $entries = *"max_entries 2048 "* ]]
	[[ $entries6 = *"max_entries 512 "* ]]
}

@test "detach.sh (typos in the settings) takes everything off, and tells them" {
	attach
	printf 'TYPO=1\nCONN_V4_ENTRIES=x\nnothing\n' >"$BATS_TEST_TMPDIR/conf"
	CONNPIN_CONF=$BATS_TEST_TMPDIR/conf run -0 "$SCRIPTS/connpin" detach
	[[ $output = *"conf line 1: no such setting TYPO; left out"* ]]
	[[ $output = *"conf line 3: not NAME=value; left out"* ]]
	[ ! -e "$PIN_DIR" ]
}

@test "detach.sh (a typo in a setting that says where) takes nothing off" {
	for bad in 'PIN_DIR /sys/fs/bpf/x' 'CGROUP=x' 'RUN_DIR=run' 'CGROUP=/a\nCGROUP=/b' 'PIN_DIR=/sys/fs/bpf/x\0'; do
		# shellcheck disable=SC2059 # escapes
		printf "LISTEN=x\n$bad\n" >"$BATS_TEST_TMPDIR/conf"
		# Where nothing is pinned, should it go on.
		CONNPIN_CONF=$BATS_TEST_TMPDIR/conf run -2 unshare --mount env -u PIN_DIR -u RUN_DIR -u CGROUP \
			sh -c 'mount -t bpf bpf /sys/fs/bpf && exec "$0"' "$SCRIPTS/detach.sh"
		no_line 'left out$' grep -vF LISTEN <<<"$output"
	done
}

@test "scripts (not root) say so in one line" {
	for script in attach.sh detach.sh status.sh; do
		refuses 3 "not root" setpriv --reuid 65534 --clear-groups "$SCRIPTS/$script"
	done
	refuses 3 "not root" setpriv --reuid 65534 --clear-groups "$SCRIPTS/ipv6-block.sh" on
}

@test "connpin (front command) runs each command and refuses others" {
	run -0 "$SCRIPTS/connpin" lookup --version
	[[ $output = "conn-lookup "[0-9]* ]]
	run -0 "$SCRIPTS/connpin" metrics --help
	run -0 "$SCRIPTS/connpin" --version
	[[ $output = *" "[0-9]* ]]
	refuses 2 "'nonsense' is no command" "$SCRIPTS/connpin" nonsense
	run -2 "$SCRIPTS/connpin"
}

@test "each helper and script (--version) prints its name and the one version" {
	version=$(sed -n 's/^VERSION := //p' "$TREE/GNUmakefile")
	for command in "$HELPERS"/{conn-lookup,conn-list,tcp-metrics,attach-tracing,move-pins,run-httpd,read-settings} \
		"$SCRIPTS"/{attach,detach,status,ipv6-block,serve,quickstart,test}.sh; do
		for option in -V --version; do
			run -0 --separate-stderr "$command" "$option"
			[ "$output" = "${command##*/} $version" ]
			[ -z "$stderr" ]
		done
	done
	for command in attach detach status lookup list metrics block-ipv6 serve; do
		run -0 "$SCRIPTS/connpin" "$command" --version
		[[ $output = *" $version" ]]
	done
}

# completed WORD...: what bash offers for the last word.
completed() {
	bash -c '. "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		$(complete -p "$1" | sed "s/.*-F \([^ ]*\) .*/\1/"); echo "${COMPREPLY[*]}"' \
		"$TREE/etc/connpin.bash-completion" "$@"
}

@test "bash completes commands, their options and their operands" {
	[ "$(completed connpin de)" = detach ]
	[ "$(completed connpin l)" = "lookup list" ]
	[ "$(completed connpin block-ipv6 o)" = "on off" ]
	[ "$(completed connpin lookup -p '')" = "tcp udp" ]
	[ "$(completed conn-list --protocol u)" = udp ]
	[ "$(completed conn-list --ver)" = --version ]
	[ "$(completed conn-list --pid $$)" = $$ ]
	# Each option that a usage names is offered, and each that is offered is known.
	for command in conn-lookup conn-list tcp-metrics; do
		for option in $("$HELPERS/$command" --help | grep -oE -- '(^|[ ,[|])--[a-z0-9-]+' | tr -d ' ,[|'); do
			[[ " $(completed "$command" --) " = *" $option "* ]]
		done
	done
}

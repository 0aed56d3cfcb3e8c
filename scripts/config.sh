# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# config.sh: the settings, from etc/connpin.conf and the environment, checked.

SYSCONFDIR=@SYSCONFDIR@ # put in by make install

config_file() {
	if [ -n "${CONNPIN_CONF-}" ]; then
		printf '%s\n' "$CONNPIN_CONF"
	elif [ -f "$ROOT/etc/connpin.conf" ]; then
		printf '%s\n' "$ROOT/etc/connpin.conf"
	else
		printf '%s\n' "$SYSCONFDIR/connpin.conf"
	fi
}

# set_default NAME VALUE: the environment goes first: $given is "yes" then. Not 0 for
# an unknown name.
set_default() {
	case $1 in
	PIN_DIR) given=${PIN_DIR+yes} PIN_DIR=${PIN_DIR-$2} ;;
	PIN_GROUP) given=${PIN_GROUP+yes} PIN_GROUP=${PIN_GROUP-$2} ;;
	CGROUP) given=${CGROUP+yes} CGROUP=${CGROUP-$2} ;;
	CONN_V4_ENTRIES) given=${CONN_V4_ENTRIES+yes} CONN_V4_ENTRIES=${CONN_V4_ENTRIES-$2} ;;
	CONN_V6_ENTRIES) given=${CONN_V6_ENTRIES+yes} CONN_V6_ENTRIES=${CONN_V6_ENTRIES-$2} ;;
	TCP_SOCKETS) given=${TCP_SOCKETS+yes} TCP_SOCKETS=${TCP_SOCKETS-$2} ;;
	CGROUP_SERIES) given=${CGROUP_SERIES+yes} CGROUP_SERIES=${CGROUP_SERIES-$2} ;;
	CGROUP_LINGER) given=${CGROUP_LINGER+yes} CGROUP_LINGER=${CGROUP_LINGER-$2} ;;
	RUN_DIR) given=${RUN_DIR+yes} RUN_DIR=${RUN_DIR-$2} ;;
	HTTP_RUN_DIR) given=${HTTP_RUN_DIR+yes} HTTP_RUN_DIR=${HTTP_RUN_DIR-$2} ;;
	LISTEN) given=${LISTEN+yes} LISTEN=${LISTEN-$2} ;;
	HTTP_USER) given=${HTTP_USER+yes} HTTP_USER=${HTTP_USER-$2} ;;
	HTTP_PASSWD) given=${HTTP_PASSWD+yes} HTTP_PASSWD=${HTTP_PASSWD-$2} ;;
	HTTP_CLIENTS) given=${HTTP_CLIENTS+yes} HTTP_CLIENTS=${HTTP_CLIENTS-$2} ;;
	HTTP_SECONDS) given=${HTTP_SECONDS+yes} HTTP_SECONDS=${HTTP_SECONDS-$2} ;;
	LOOKUP_ALLOW) given=${LOOKUP_ALLOW+yes} LOOKUP_ALLOW=${LOOKUP_ALLOW-$2} ;;
	LOOKUP_CMDLINE) given=${LOOKUP_CMDLINE+yes} LOOKUP_CMDLINE=${LOOKUP_CMDLINE-$2} ;;
	*) return 1 ;;
	esac
}

# Where each setting of the file stands, " NAME:LINE" each; those that the environment
# gave are not in it.
SETTING_LINES=

# setting NAME VALUE: its description for a message, with file and line.
setting() {
	case "$SETTING_LINES " in
	*" $1:"*)
		setting_line=${SETTING_LINES#*" $1:"}
		printf "%s line %s: setting %s='%s'" "$config_path" "${setting_line%% *}" "$1" "$2"
		;;
	*) printf "setting %s='%s'" "$1" "$2" ;;
	esac
}

# For detach.sh, who has to work whatever else is in the file.
LENIENT=

# bad_line WHAT: of the file.
bad_line() {
	[ -n "$LENIENT" ] || die -"$STATUS_MISUSE" "$config_path line $config_line: $1"
	note "$config_path line $config_line: $1; left out"
}

bad_setting() {
	die -"$STATUS_MISUSE" "$(setting "$1" "$2"): $3"
}

# An absolute path without white space. bpffs, where PIN_DIR is, refuses a dot.
check_path() {
	case $2 in
	/*[!A-Za-z0-9_/.-]* | [!/]* | / | '') bad_setting "$1" "$2" \
		"an absolute path of letters, digits, '_', '-' and '.' is needed" ;;
	esac
}

check_number() {
	case $2 in
	# With a 0 in front a shell would take it for octal.
	'' | *[!0-9]* | 0?* | ?????????*) bad_setting "$1" "$2" "a number from $3 to $4 is needed" ;;
	esac
	if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		bad_setting "$1" "$2" "a number from $3 to $4 is needed"
	fi
}

check_name() {
	case $2 in
	'' | -* | *[!A-Za-z0-9_-]*) bad_setting "$1" "$2" "a name of a $3 is needed" ;;
	esac
}

# One or more of ADDRESS:PORT or PORT, separated by spaces.
check_listen() {
	case $LISTEN in
	*[!0-9a-fA-F.:\[\]\ ]* | '' | ' '*) bad_listen ;;
	esac
	set -f
	for listen_at in $LISTEN; do
		listen_address=${listen_at%:*}
		case $listen_at in
		\[*:*\]:[0-9]*) listen_address=${listen_address#[} && listen_address=${listen_address%]} ;;
		*:*:* | *[\[\]]* | :*) bad_listen ;;
		*.*:[0-9]*) ;;
		*[!0-9]*) bad_listen ;;
		*) listen_address=0.0.0.0 ;;
		esac
		"$HELPERS/address-in" "$listen_address" :: 2>/dev/null || [ $? -eq 1 ] || bad_listen
		check_number LISTEN "${listen_at##*:}" 1 65535
	done
	set +f
}

bad_listen() {
	bad_setting LISTEN "$LISTEN" "ADDRESS:PORT is needed, an IPv6 address in brackets, or several of them"
}

check_settings() {
	PIN_DIR=${PIN_DIR%/}
	check_path PIN_DIR "$PIN_DIR"
	[ "$PIN_DIR" != /sys/fs/bpf ] ||
		bad_setting PIN_DIR "$PIN_DIR" "a directory of its own below that is needed"
	case $PIN_DIR in
	*.*) bad_setting PIN_DIR "$PIN_DIR" "a bpf file system takes no name with a dot" ;;
	esac
	check_path RUN_DIR "$RUN_DIR"
	check_path HTTP_RUN_DIR "$HTTP_RUN_DIR"
	CGROUP=${CGROUP%/}
	case $CGROUP in
	'' | /*) ;;
	*) bad_setting CGROUP "$CGROUP" "an absolute path, or nothing, is needed" ;;
	esac
	[ -z "$LENIENT" ] || return 0
	check_number CONN_V4_ENTRIES "$CONN_V4_ENTRIES" 256 16777216
	check_number CONN_V6_ENTRIES "$CONN_V6_ENTRIES" 256 16777216
	check_number TCP_SOCKETS "$TCP_SOCKETS" 1024 4194304
	check_number CGROUP_SERIES "$CGROUP_SERIES" 0 512
	check_number CGROUP_LINGER "$CGROUP_LINGER" 0 86400
	check_name PIN_GROUP "$PIN_GROUP" group
	check_name HTTP_USER "$HTTP_USER" user
	check_listen
	check_number HTTP_CLIENTS "$HTTP_CLIENTS" 1 10000
	check_number HTTP_SECONDS "$HTTP_SECONDS" 1 3600
	[ -z "$HTTP_PASSWD" ] || check_path HTTP_PASSWD "$HTTP_PASSWD"
	case $LOOKUP_CMDLINE in
	yes | no) ;;
	*) bad_setting LOOKUP_CMDLINE "$LOOKUP_CMDLINE" "yes or no is needed" ;;
	esac
	if [ -n "$LOOKUP_ALLOW" ]; then
		# shellcheck disable=SC2086 # a list of networks; no glob character passes the case
		case $LOOKUP_ALLOW in
		*[!0-9a-fA-F.:/\ ]*) rc=2 ;;
		*) rc=0 && "$HELPERS/address-in" :: $LOOKUP_ALLOW 2>/dev/null || rc=$? ;;
		esac
		[ "$rc" -le 1 ] || bad_setting LOOKUP_ALLOW "$LOOKUP_ALLOW" \
			"addresses or networks (ADDRESS/BITS), separated by spaces, are needed"
	fi
}

# set_listen_address ADDRESS:PORT: where a client on this host reaches it: LISTEN_ADDRESS
# and LISTEN_PORT, and both as LISTEN_URL.
set_listen_address() {
	LISTEN_PORT=${1##*:}
	LISTEN_ADDRESS=${1%:*}
	LISTEN_ADDRESS=${LISTEN_ADDRESS#[}
	LISTEN_ADDRESS=${LISTEN_ADDRESS%]}
	case $LISTEN_ADDRESS in
	"$LISTEN_PORT" | 0.0.0.0) LISTEN_ADDRESS=127.0.0.1 ;;
	::) LISTEN_ADDRESS=::1 ;;
	esac
	# shellcheck disable=SC2034 # for those who source this
	case $LISTEN_ADDRESS in
	*:*) LISTEN_URL=http://[$LISTEN_ADDRESS]:$LISTEN_PORT ;;
	*) LISTEN_URL=http://$LISTEN_ADDRESS:$LISTEN_PORT ;;
	esac
}

take_line() {
	case $1 in
	*[!A-Z0-9_]*) bad_line 'not NAME=value' && return 0 ;;
	esac
	case "$CONFIG_NAMES " in
	*" $1 "*) bad_line "$1 is set a second time" && return 0 ;;
	esac
	CONFIG_NAMES="$CONFIG_NAMES $1"
	set_default "$1" "$2" || {
		bad_line "no such setting $1"
		return 0
	}
	[ -n "$given" ] || SETTING_LINES="$SETTING_LINES $1:$config_line"
}

# Read the file, a NAME=value a line; nothing in it is ever run.
load_settings() {
	config_path=$(config_file)
	CONFIG_NAMES=
	if [ -f "$config_path" ]; then
		[ -r "$config_path" ] || die "cannot read $config_path"
		config_line=0
		while IFS= read -r config_text || [ -n "$config_text" ]; do
			config_line=$((config_line + 1))
			case $config_text in
			'' | '#'*) continue ;;
			[A-Z]*=*) ;;
			*) bad_line 'not NAME=value' && continue ;;
			esac
			take_line "${config_text%%=*}" "${config_text#*=}"
		done <"$config_path"
	elif [ -n "${CONNPIN_CONF-}" ]; then
		die -"$STATUS_MISUSE" "cannot read $config_path"
	fi
	set_default PIN_DIR /sys/fs/bpf/connpin
	set_default PIN_GROUP connpin
	set_default CGROUP ''
	set_default CONN_V4_ENTRIES 65536
	set_default CONN_V6_ENTRIES 16384
	set_default TCP_SOCKETS 16384
	set_default CGROUP_SERIES 256
	set_default CGROUP_LINGER 300
	set_default RUN_DIR /run/connpin
	set_default HTTP_RUN_DIR "$RUN_DIR"
	set_default LISTEN 127.0.0.1:9090
	set_default HTTP_USER connpin
	set_default HTTP_PASSWD ''
	set_default HTTP_CLIENTS 512
	set_default HTTP_SECONDS 10
	set_default LOOKUP_ALLOW ''
	set_default LOOKUP_CMDLINE no
	check_settings
	set_listen_address "${LISTEN%% *}"
	# What the helpers and the CGI scripts read.
	export PIN_DIR RUN_DIR LOOKUP_ALLOW LOOKUP_CMDLINE
}

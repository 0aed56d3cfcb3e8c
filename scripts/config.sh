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

# set_default NAME VALUE: the environment goes first. Not 0 for an unknown name.
set_default() {
	case $1 in
	PIN_DIR) PIN_DIR=${PIN_DIR-$2} ;;
	PIN_GROUP) PIN_GROUP=${PIN_GROUP-$2} ;;
	CGROUP) CGROUP=${CGROUP-$2} ;;
	CONN_V4_ENTRIES) CONN_V4_ENTRIES=${CONN_V4_ENTRIES-$2} ;;
	CONN_V6_ENTRIES) CONN_V6_ENTRIES=${CONN_V6_ENTRIES-$2} ;;
	TCP_SOCKETS) TCP_SOCKETS=${TCP_SOCKETS-$2} ;;
	CGROUP_SERIES) CGROUP_SERIES=${CGROUP_SERIES-$2} ;;
	CGROUP_LINGER) CGROUP_LINGER=${CGROUP_LINGER-$2} ;;
	RUN_DIR) RUN_DIR=${RUN_DIR-$2} ;;
	LISTEN) LISTEN=${LISTEN-$2} ;;
	HTTP_USER) HTTP_USER=${HTTP_USER-$2} ;;
	LOOKUP_ALLOW) LOOKUP_ALLOW=${LOOKUP_ALLOW-$2} ;;
	LOOKUP_CMDLINE) LOOKUP_CMDLINE=${LOOKUP_CMDLINE-$2} ;;
	*) return 1 ;;
	esac
}

bad_setting() {
	die -"$STATUS_MISUSE" "setting $1='$2': $3"
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
	'' | *[!0-9]* | ?????????*) bad_setting "$1" "$2" "a number from $3 to $4 is needed" ;;
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

check_settings() {
	PIN_DIR=${PIN_DIR%/}
	check_path PIN_DIR "$PIN_DIR"
	[ "$PIN_DIR" != /sys/fs/bpf ] ||
		bad_setting PIN_DIR "$PIN_DIR" "a directory of its own below that is needed"
	case $PIN_DIR in
	*.*) bad_setting PIN_DIR "$PIN_DIR" "a bpf file system takes no name with a dot" ;;
	esac
	check_path RUN_DIR "$RUN_DIR"
	CGROUP=${CGROUP%/}
	case $CGROUP in
	'' | /*) ;;
	*) bad_setting CGROUP "$CGROUP" "an absolute path, or nothing, is needed" ;;
	esac
	check_number CONN_V4_ENTRIES "$CONN_V4_ENTRIES" 256 16777216
	check_number CONN_V6_ENTRIES "$CONN_V6_ENTRIES" 256 16777216
	check_number TCP_SOCKETS "$TCP_SOCKETS" 1024 4194304
	check_number CGROUP_SERIES "$CGROUP_SERIES" 0 512
	check_number CGROUP_LINGER "$CGROUP_LINGER" 0 86400
	check_name PIN_GROUP "$PIN_GROUP" group
	check_name HTTP_USER "$HTTP_USER" user
	case $LISTEN in
	*[!0-9a-fA-F.:\[\]]* | *: | '') bad_setting LISTEN "$LISTEN" \
		"ADDRESS:PORT is needed, an IPv6 address in brackets" ;;
	*:*) check_number LISTEN "${LISTEN##*:}" 1 65535 ;;
	*) check_number LISTEN "$LISTEN" 1 65535 ;;
	esac
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

# Where a client on this host reaches LISTEN: ADDRESS and PORT, and both as $LISTEN_URL.
set_listen_address() {
	LISTEN_PORT=${LISTEN##*:}
	LISTEN_ADDRESS=${LISTEN%:*}
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

# Read the file, a NAME=value a line; nothing in it is ever run.
load_settings() {
	config_path=$(config_file)
	if [ -f "$config_path" ]; then
		config_line=0
		while IFS= read -r config_text || [ -n "$config_text" ]; do
			config_line=$((config_line + 1))
			case $config_text in
			'' | '#'*) continue ;;
			[A-Z]*=*) ;;
			*) die -"$STATUS_MISUSE" "$config_path line $config_line: not NAME=value" ;;
			esac
			set_default "${config_text%%=*}" "${config_text#*=}" ||
				die -"$STATUS_MISUSE" "$config_path line $config_line: no such setting ${config_text%%=*}"
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
	set_default LISTEN 127.0.0.1:9090
	set_default HTTP_USER connpin
	set_default LOOKUP_ALLOW ''
	set_default LOOKUP_CMDLINE no
	check_settings
	set_listen_address
	# What the helpers and the CGI scripts read.
	export PIN_DIR RUN_DIR LOOKUP_ALLOW LOOKUP_CMDLINE
}

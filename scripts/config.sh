# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# config.sh: the settings, from etc/connpin.conf and the environment, as read-settings has
# checked them.

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

# For detach.sh, who has to work whatever else is in the file.
LENIENT=

# Where each setting of the file stands, " NAME:LINE" each; 0 when it is not the file's.
SETTING_LINES=

# setting NAME VALUE: its description for a message, with file and line.
setting() {
	setting_line=${SETTING_LINES#*" $1:"}
	setting_line=${setting_line%% *}
	case $setting_line in
	0) printf "setting %s='%s'" "$1" "$2" ;;
	*) printf "%s line %s: setting %s='%s'" "$config_path" "$setting_line" "$1" "$2" ;;
	esac
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

# Nothing in the file is ever run.
load_settings() {
	config_path=$(config_file)
	[ -x "$HELPERS/read-settings" ] || die "nothing is built: run make first"
	set -- --for "$PROGRAM" ${LENIENT:+--lenient}
	if [ -n "${CONNPIN_CONF-}" ] || [ -e "$config_path" ]; then
		set -- "$@" -- "$config_path"
	fi
	settings=$("$HELPERS/read-settings" "$@") || exit
	while IFS= read -r setting_text; do
		setting_value=${setting_text#*=}
		setting_name=${setting_text%%=*} # NAME:LINE
		SETTING_LINES="$SETTING_LINES $setting_name"
		# A variable of that name; read-settings knows no other names than its own.
		IFS= read -r "${setting_name%:*}" <<-END
			$setting_value
		END
	done <<-SETTINGS
		$settings
	SETTINGS
	set_listen_address "${LISTEN%% *}"
	# What the helpers and the CGI programs read.
	export PIN_DIR RUN_DIR LOOKUP_ALLOW LOOKUP_USERS LOOKUP_CMDLINE
	# Not by its own name: a client sets HTTP_NAMES with a line "Names:" of its request.
	SERVER_NAMES=$HTTP_NAMES
	export SERVER_NAMES
}

# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# config.sh: load_settings reads the settings from etc/connpin.conf and the environment and
# sets a variable for each. read-settings checks them; helpers/lib/settings.c lists them.
#
# Needs lib.sh.

SYSCONFDIR=@SYSCONFDIR@ # make install fills this in

CONFIG_PATH=$SYSCONFDIR/connpin.conf
if [ -n "${CONNPIN_CONF-}" ]; then
	CONFIG_PATH=$CONNPIN_CONF
elif [ -f "$ROOT/etc/connpin.conf" ]; then
	CONFIG_PATH=$ROOT/etc/connpin.conf
fi

SETTING_LINES=

# setting NAME VALUE: print the setting as messages name it, with file and line.
setting() {
	setting_line=${SETTING_LINES#*" $1:"}
	setting_line=${setting_line%% *}
	case $setting_line in
	0) printf "setting %s='%s'" "$1" "$2" ;;
	*) printf "%s line %s: setting %s='%s'" "$CONFIG_PATH" "$setting_line" "$1" "$2" ;;
	esac
}

# set_listen_address ADDRESS:PORT: set LISTEN_ADDRESS and LISTEN_PORT to what a client on this
# host uses to reach the server, and LISTEN_URL to both.
set_listen_address() {
	LISTEN_PORT=${1##*:}
	LISTEN_ADDRESS=${1%:*}
	LISTEN_ADDRESS=${LISTEN_ADDRESS#[}
	LISTEN_ADDRESS=${LISTEN_ADDRESS%]}
	case $LISTEN_ADDRESS in
	"$LISTEN_PORT" | 0.0.0.0) LISTEN_ADDRESS=127.0.0.1 ;;
	::) LISTEN_ADDRESS=::1 ;;
	esac
	# shellcheck disable=SC2034 # for scripts that source this
	case $LISTEN_ADDRESS in
	*:*) LISTEN_URL=http://[$LISTEN_ADDRESS]:$LISTEN_PORT ;;
	*) LISTEN_URL=http://$LISTEN_ADDRESS:$LISTEN_PORT ;;
	esac
}

# load_settings [--lenient]: set a variable for each setting. Nothing in the file is ever run.
# --lenient: settings that do not say where connpin is may be wrong.
load_settings() {
	[ -x "$HELPERS/read-settings" ] || die "nothing is built: run make first"
	set -- --for "$PROGRAM" "$@"
	if [ -n "${CONNPIN_CONF-}" ] || [ -e "$CONFIG_PATH" ]; then
		set -- "$@" -- "$CONFIG_PATH"
	fi
	settings=$("$HELPERS/read-settings" "$@") || exit
	while IFS= read -r setting_text; do
		setting_value=${setting_text#*=}
		setting_name=${setting_text%%=*} # NAME:LINE
		SETTING_LINES="$SETTING_LINES $setting_name"
		# This sets the variable of that name, which is safe because read-settings prints only
		# the names of settings.
		IFS= read -r "${setting_name%:*}" <<-END
			$setting_value
		END
	done <<-SETTINGS
		$settings
	SETTINGS
	set_listen_address "${LISTEN%% *}"
	# The helpers and the CGI programs read these.
	export PIN_DIR RUN_DIR LOOKUP_ALLOW LOOKUP_USERS LOOKUP_CMDLINE
	# HTTP_NAMES gets another name for them, because a client could set HTTP_NAMES by a
	# header "Names:" in its request.
	SERVER_NAMES=$HTTP_NAMES
	export SERVER_NAMES
}

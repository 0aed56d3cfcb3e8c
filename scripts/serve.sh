#!/bin/sh
# SPDX-License-Identifier: MIT
#
# serve.sh: serve the CGI programs over HTTP, with busybox httpd, as a user with read access
# only.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$ROOT/scripts/lib.sh"
. "$ROOT/scripts/config.sh"

usage() {
	cat <<-END
		usage: $SERVE_COMMAND [-b|-k]

		Serve the page, the metrics, look-ups and lists by HTTP at the setting LISTEN.

		  -b, --background  return when the server answers
		  -k, --kill        end the server that -b started

		Started by root the server runs as HTTP_USER, which is made when it is missing;
		started by anyone else, as that user.

		Settings: $CONFIG_PATH, or the environment; httpd's own: etc/httpd.conf.
		Exit status: 0 done, 2 misuse or a bad setting, 3 it can't serve.
	END
}

ensure_user() {
	grep -q "^$HTTP_USER:" /etc/passwd && return 0
	# The user gets the group that may read the pins, and no other group.
	grep -q "^$PIN_GROUP:" /etc/group || die "no group $PIN_GROUP yet: run $ATTACH_COMMAND first"
	run useradd --system --gid "$PIN_GROUP" --no-create-home --home-dir /nonexistent \
		--shell /usr/sbin/nologin "$HTTP_USER" ||
		die "cannot make the user $HTTP_USER (setting HTTP_USER)"
}

httpd_conf() {
	if [ -f "$ROOT/etc/httpd.conf" ]; then
		echo "$ROOT/etc/httpd.conf"
	else
		echo "$SYSCONFDIR/connpin-httpd.conf"
	fi
}

# start_time PID: print when it started, in clock ticks since boot. The name in front of it may
# contain anything, parentheses too.
start_time() {
	sed -n 's/.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

# server_pid: print the PID of our server; fail if it does not run. The PID may belong to
# another process by now, of any user and with a command line like ours, but not with the same
# start time. (The file with the start time is missing when -b was killed before it wrote it,
# or when an older connpin started the server.)
server_pid() {
	[ -f "$HTTP_RUN_DIR/httpd.pid" ] || return 1
	read -r pid <"$HTTP_RUN_DIR/httpd.pid"
	case $pid in
	'' | *[!0-9]*) return 1 ;;
	esac
	case $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") in
	*'/helpers/run-httpd '*) ;;
	*) return 1 ;;
	esac
	[ ! -f "$HTTP_RUN_DIR/httpd.start" ] ||
		[ "$(start_time "$pid")" = "$(cat "$HTTP_RUN_DIR/httpd.start")" ] || return 1
	echo "$pid"
}

write_pid() {
	rm -f "$HTTP_RUN_DIR/httpd.start"
	echo "$1" >"$HTTP_RUN_DIR/httpd.pid"
	start_time "$1" >"$HTTP_RUN_DIR/httpd.start"
}

forget_pid() {
	rm -f "$HTTP_RUN_DIR/httpd.pid" "$HTTP_RUN_DIR/httpd.start"
}

# answers: whether the server answers at each address, be it with the metrics, with 503
# because nothing is attached, or with 401 because a password is needed. There is a timeout,
# because another server at the address may never answer. No proxy is used. (With -T or
# -O FILE the wget of Debian's busybox 1.35 can end in a segmentation fault.)
answers() {
	for listen_at in $LISTEN; do
		set_listen_address "$listen_at"
		answer=$(busybox timeout 5 busybox wget -Y off -q -O - "$LISTEN_URL/cgi-bin/metrics" 2>&1 >/dev/null) ||
			case $answer in
			*' 503 '* | *' 401 '*) ;;
			*) return 1 ;;
			esac
	done
}

# make_conf: copy httpd's configuration, with the passwords of HTTP_PASSWD, to where the
# server's user may read it. That user may have no access to the directories of the original.
make_conf() {
	[ -r "$(httpd_conf)" ] || die "cannot read $(httpd_conf), httpd's configuration"
	mkdir -p "$HTTP_RUN_DIR" || die "cannot make $HTTP_RUN_DIR (setting HTTP_RUN_DIR)"
	rm -f "$HTTP_RUN_DIR/httpd.conf"
	(umask 077 && cat "$(httpd_conf)" >"$HTTP_RUN_DIR/httpd.conf") 2>/dev/null ||
		die "cannot write $HTTP_RUN_DIR/httpd.conf (setting HTTP_RUN_DIR)"
	[ -z "$HTTP_PASSWD" ] || add_passwords
	[ "$(id -u)" -ne 0 ] || {
		chgrp "$PIN_GROUP" "$HTTP_RUN_DIR/httpd.conf"
		chmod 640 "$HTTP_RUN_DIR/httpd.conf"
	}
}

# add_passwords: add the lines "USER:HASH" as "/:USER:HASH", which is for the whole server.
add_passwords() {
	[ -r "$HTTP_PASSWD" ] || die "$(setting HTTP_PASSWD "$HTTP_PASSWD"): cannot read it"
	passwd_line=0
	while IFS= read -r passwd_text || [ -n "$passwd_text" ]; do
		passwd_line=$((passwd_line + 1))
		case $passwd_text in
		'' | '#'*) continue ;;
		*[!A-Za-z0-9_.:\$/-]* | *:*:* | :*) ;;
		*:\$[0-9]*\$*\$?*)
			printf '/:%s\n' "$passwd_text"
			continue
			;;
		esac
		die -"$STATUS_MISUSE" "$HTTP_PASSWD line $passwd_line: not USER:HASH (busybox httpd -m makes a hash)"
	done <"$HTTP_PASSWD" >>"$HTTP_RUN_DIR/httpd.conf"
	# A file without users would let everyone in.
	grep -q '^/:' "$HTTP_RUN_DIR/httpd.conf" || die -"$STATUS_MISUSE" "$HTTP_PASSWD names no user"
}

# tell_of_refusal: warn when a seccomp profile refuses bpf(2), as that of a container runtime
# may. Then no map can be read, whatever is attached, and each answer would be a 503.
tell_of_refusal() {
	refusal=$("$HELPERS/tcp-metrics" 2>&1 >/dev/null) || case $refusal in
	*'bpf(2) is refused'*) note "${refusal#*: }" ;;
	esac
}

# start [background]
start() {
	start_in=${1-}
	tell_of_refusal
	[ "$(id -u)" -ne 0 ] || ensure_user
	make_conf
	set -- "$HELPERS/run-httpd" -t "$HTTP_SECONDS"
	# The limit counts all processes of a user, so it is set only for the server's own user.
	case $(id -un) in
	root) set -- "$@" -n "$HTTP_CLIENTS" -u "$(id -u "$HTTP_USER"):$(group_id "$PIN_GROUP")" ;;
	"$HTTP_USER") set -- "$@" -n "$HTTP_CLIENTS" ;;
	esac
	# shellcheck disable=SC2086 # a list of addresses, checked
	set -f && set -- "$@" "$ROOT/cgi-bin" "$HTTP_RUN_DIR/httpd.conf" $LISTEN
	if [ "$start_in" != background ]; then
		printf '+ %s\n' "$*" >&2
		exec "$@"
	fi
	printf '+ %s &\n' "$*" >&2
	# It gets its own session, so that it survives the terminal. setsid does not fork here, so
	# the PID is the server's; it is written before anything can end this script.
	busybox setsid "$@" </dev/null >/dev/null 2>"$HTTP_RUN_DIR/httpd.error" &
	pid=$!
	write_pid "$pid"
	tries=100
	sleep 0.1
	until is_running "$pid" && answers; do
		is_running "$pid" || ended
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || {
			kill "$pid"
			forget_pid
			die "the server does not answer with metrics at $LISTEN_URL"
		}
		sleep 0.1
	done
	# Another server may have answered while ours failed to bind.
	sleep 0.1
	is_running "$pid" || ended
	note "serving at $LISTEN, process $pid"
}

# is_running PID
is_running() {
	kill -0 "$1" 2>/dev/null
}

ended() {
	forget_pid
	die "the server ended: $(head -n 1 "$HTTP_RUN_DIR/httpd.error")"
}

group_id() {
	sed -n "s/^$1:[^:]*:\([0-9]*\):.*/\1/p" /etc/group
}

stop() {
	pid=$(server_pid) || {
		note "not serving: nothing to do"
		return 0
	}
	run kill "$pid"
	forget_pid
	rm -f "$HTTP_RUN_DIR/httpd.error" "$HTTP_RUN_DIR/httpd.conf"
}

main() {
	answer_help "$@"
	background=
	case $#:${1-} in
	0:) ;;
	1:-b | 1:--background) background=background ;;
	1:-k | 1:--kill) ;;
	*) misuse "unexpected argument $1" ;;
	esac
	need_built
	need_commands busybox
	load_settings
	case ${1-} in
	-k | --kill)
		stop
		return 0
		;;
	esac
	if pid=$(server_pid); then
		note "already serving, process $pid"
		return 0
	fi
	start "$background"
}

main "$@"

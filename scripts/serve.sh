#!/bin/sh
# SPDX-License-Identifier: MIT
#
# serve.sh: busybox httpd over the CGI scripts, as a user who may only read.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$ROOT/scripts/lib.sh"
. "$ROOT/scripts/config.sh"

usage() {
	cat <<-END
		usage: serve.sh [-b|-k]

		Serve /metrics and /cgi-bin/lookup by HTTP at the setting LISTEN.

		  -b, --background  return when the server answers
		  -k, --kill        end the server that -b started

		Started by root the server runs as HTTP_USER, which is made when it is missing;
		started by anyone else, as that user.

		Settings: $(config_file), or the environment; httpd's own: etc/httpd.conf.
		Exit status: 0 done, 2 misuse or a bad setting, 3 it can't serve.
	END
}

ensure_user() {
	grep -q "^$HTTP_USER:" /etc/passwd && return 0
	# The group that may read the pins, and no other.
	grep -q "^$PIN_GROUP:" /etc/group || die "no group $PIN_GROUP yet: run attach.sh first"
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

# Only a process that is our server, whatever became of the number.
server_pid() {
	[ -f "$RUN_DIR/httpd.pid" ] || return 1
	read -r pid <"$RUN_DIR/httpd.pid"
	case $pid in
	'' | *[!0-9]*) return 1 ;;
	esac
	case $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") in
	*'httpd -f -p '*'/cgi-bin -c '*) ;;
	*) return 1 ;;
	esac
	echo "$pid"
}

answers() {
	# The metrics, or that nothing is attached. (With -T or -O FILE the wget of Debian's
	# busybox 1.35 can end in a segmentation fault.)
	case $(busybox wget -q -O - "$LISTEN_URL/cgi-bin/metrics" 2>&1 >/dev/null) in
	'' | *' 503 '*) return 0 ;;
	*) return 1 ;;
	esac
}

start() {
	conf=$(httpd_conf)
	if [ "$(id -u)" -eq 0 ]; then
		ensure_user
		# httpd reads it as that user, to whom the directories above may be closed.
		mkdir -p "$RUN_DIR" || die "cannot make $RUN_DIR"
		rm -f "$RUN_DIR/httpd.conf"
		(cat "$conf" >"$RUN_DIR/httpd.conf") 2>/dev/null || die "cannot write $RUN_DIR/httpd.conf"
		conf=$RUN_DIR/httpd.conf
	fi
	set -- busybox httpd -f -p "$LISTEN" -h "$ROOT/cgi-bin" -c "$conf"
	[ "$(id -u)" -ne 0 ] || set -- "$@" -u "$HTTP_USER:$PIN_GROUP"
	if [ "$background" -eq 0 ]; then
		printf '+ %s\n' "$*" >&2
		exec "$@"
	fi
	mkdir -p "$RUN_DIR" || die "cannot make $RUN_DIR"
	printf '+ %s &\n' "$*" >&2
	"$@" </dev/null >/dev/null 2>"$RUN_DIR/httpd.error" &
	pid=$!
	tries=100
	until answers; do
		kill -0 "$pid" 2>/dev/null || die "the server ended: $(head -n 1 "$RUN_DIR/httpd.error")"
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || {
			kill "$pid"
			die "the server does not answer with metrics at $LISTEN"
		}
		sleep 0.1
	done
	# Someone else's server may have answered while ours failed to bind.
	sleep 0.1
	kill -0 "$pid" 2>/dev/null || die "the server ended: $(head -n 1 "$RUN_DIR/httpd.error")"
	echo "$pid" >"$RUN_DIR/httpd.pid"
	note "serving at $LISTEN, process $pid"
}

stop() {
	pid=$(server_pid) || {
		note "not serving: nothing to do"
		return 0
	}
	run kill "$pid"
	rm -f "$RUN_DIR/httpd.pid" "$RUN_DIR/httpd.error" "$RUN_DIR/httpd.conf"
}

main() {
	answer_help "$@"
	background=0
	case $#:${1-} in
	0:) ;;
	1:-b | 1:--background) background=1 ;;
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
	start
}

main "$@"

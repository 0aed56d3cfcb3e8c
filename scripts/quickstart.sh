#!/bin/sh
# SPDX-License-Identifier: MIT
#
# quickstart.sh: go from a fresh Debian machine to the first look-up.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$ROOT/scripts/lib.sh"
. "$ROOT/scripts/config.sh"
. "$ROOT/scripts/packages.sh"

usage() {
	cat <<-END
		usage: quickstart.sh

		Install what is missing (Debian packages), build, install under /usr/local,
		attach, serve at the setting LISTEN in the background, and show one real
		look-up and the five counters. Needs root. Can be run again.

		Exit status: 0 the look-up was right, 2 misuse or a bad setting, 3 not possible.
	END
}

say() {
	printf '\n== %s\n' "$*"
}

# show_lookup: start a process that connects, and look up its connection. The answer has to be
# that process. It connects to our own httpd, which waits for a request.
show_lookup() {
	address=$LISTEN_ADDRESS
	port=$LISTEN_PORT
	# No request is sent, so the connection stays open until httpd's timeout or until we
	# close it.
	rm -f "$ROOT/.output/quickstart.fifo"
	mkfifo "$ROOT/.output/quickstart.fifo"
	busybox nc "$address" "$port" <"$ROOT/.output/quickstart.fifo" >/dev/null 2>&1 &
	client=$!
	exec 8>"$ROOT/.output/quickstart.fifo"
	tries=50
	until source_port=$(source_port_of "$client" "$port") && [ -n "$source_port" ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || die "the trial connection to $LISTEN was not made"
		sleep 0.1
	done
	echo "process $client is $(tr '\0' ' ' <"/proc/$client/cmdline")"
	echo "\$ conn-lookup $address $source_port $port"
	"$PREFIX/bin/conn-lookup" "$address" "$source_port" "$port" | sed 's/^/    /'
	found=$("$PREFIX/bin/conn-lookup" -q "$address" "$source_port" "$port") ||
		die "the look-up found no process, and it was $client"
	exec 8>&-
	rm -f "$ROOT/.output/quickstart.fifo"
	kill "$client" 2>/dev/null || true
	[ "$found" = "$client" ] || die "the look-up named process $found, and it was $client"
}

# source_port_of PID PORT: print the source port of PID's connection to PORT. The kernel's
# list of sockets has it.
source_port_of() {
	ss -Htnp "dport = :$2" | sed -n "s/^[^ ]* *[0-9]* *[0-9]* *[^ ]*:\([0-9]*\) .*pid=$1,.*/\1/p" | head -n 1
}

main() {
	answer_help "$@"
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_root
	PREFIX=/usr/local
	mkdir -p "$ROOT/.output"
	say "packages"
	# shellcheck disable=SC2086 # lists of names
	install_missing $BUILD_PACKAGES $RUN_PACKAGES
	say "build and install under $PREFIX"
	make -C "$ROOT" --no-print-directory all install PREFIX="$PREFIX"
	# Read the file that the installed commands read, not that of the checkout.
	export CONNPIN_CONF=/etc/connpin.conf
	load_settings
	say "attach"
	"$PREFIX/bin/connpin" attach
	say "serve"
	"$PREFIX/bin/connpin" serve -b
	say "which process owns this connection?"
	show_lookup
	say "how is TCP doing?"
	echo "\$ curl $LISTEN_URL/cgi-bin/metrics"
	counters=$(busybox wget -Y off -q -O - "$LISTEN_URL/cgi-bin/metrics" | 
		grep -E '^tcp_((active|passive|failed)_connections|resets_(sent|received))_total ') ||
		die "no metrics at $LISTEN_URL"
	printf '%s\n' "$counters" | sed 's/^/    /'
	[ "$(printf '%s\n' "$counters" | wc -l)" -eq 5 ] || die "these are not the five counters"
	say "next"
	cat <<-END
		connpin list -f                     # connections as they come
		connpin status                      # what is attached, and what runs degraded
		connpin serve -k; connpin detach; make -C $ROOT uninstall   # take it all off
	END
}

main "$@"

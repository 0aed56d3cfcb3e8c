#!/bin/sh
# SPDX-License-Identifier: MIT
#
# scrapes.sh: a million connections by four processes, with scrapes all the while, under
# names of its own. Exit status 0: every count arrived, and none went down.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
export PIN_DIR=/sys/fs/bpf/connpin_soak RUN_DIR=/run/connpin_soak

clean_up() {
	trap '' HUP INT TERM
	"$ROOT/scripts/detach.sh" >/dev/null 2>&1 || true
	rm -rf "$RUN_DIR"
}

trap clean_up EXIT
trap 'exit 130' HUP INT TERM
"$ROOT/scripts/attach.sh" 2>/dev/null
unshare -n sh -c 'ip link set lo up && exec "$@"' sh "$ROOT/test/scrapes.bash" \
	"${SOAK_CONNECTIONS-1000000}" "$ROOT/.output/test/traffic" "$ROOT/helpers/tcp-metrics"

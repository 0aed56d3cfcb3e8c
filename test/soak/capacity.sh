#!/bin/sh
# SPDX-License-Identifier: MIT
#
# capacity.sh: ten times as many connections as the tables hold by default, and which
# of them are still there. Fails when one of the newest 30,000 is not.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
. "$ROOT/scripts/lib.sh"

PIN_DIR=/sys/fs/bpf/connpin_soak
RUN_DIR=/run/connpin_soak
CONN_V4_ENTRIES=65536
export PIN_DIR RUN_DIR CONN_V4_ENTRIES
COUNT=655360

clean_up() {
	"$ROOT/scripts/detach.sh" >/dev/null 2>&1 || true
}

main() {
	need_root
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	"$ROOT/scripts/attach.sh" >/dev/null 2>&1 || die "attach.sh failed"
	said=$("$ROOT/.output/test/ways" spread "$COUNT" </dev/null)
	# The number of each, from its address, in order.
	"$ROOT/helpers/conn-list" -p udp --src-port "${said#* }" --dst-port 9 | awk -v count="$COUNT" '
		{
			split($2, byte, ".")
			n = (byte[2] - 16) * 65536 + byte[3] * 256 + byte[4]
			held[n] = 1
			identified += $6 != "unknown"
			total++
		}
		END {
			for (newest = 0; (count - 1 - newest) in held; newest++)
				;
			printf "%d made, %d are held, %d of them with identity, the newest %d without a gap\n",
				count, total, identified, newest
			exit newest < 30000
		}'
}

main "$@"

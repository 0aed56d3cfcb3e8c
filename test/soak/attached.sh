# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# attached.sh: what the scripts share that attach connpin in a place of its own and take it
# off. Needs lib.sh, and WORK, a directory of the script's own.

PIN_DIR=/sys/fs/bpf/connpin_soak
RUN_DIR=/run/connpin_soak
export PIN_DIR RUN_DIR

clean_up() {
	"$ROOT/scripts/detach.sh" >/dev/null 2>&1 || true
	rm -rf "$WORK"
}

attach() {
	"$ROOT/scripts/attach.sh" >"$WORK/log" 2>&1 || {
		cat "$WORK/log" >&2
		die "attach.sh failed"
	}
}

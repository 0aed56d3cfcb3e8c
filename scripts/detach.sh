#!/bin/sh
# SPDX-License-Identifier: MIT
#
# detach.sh: detach exactly what attach.sh and ipv6-block.sh attached, and remove its maps.
#
# It detaches by pinned path, so a program that is not connpin's stays attached, even one of
# the same name. The connection table and the counters are lost.
set -eu
ROOT=$(readlink -f "$0")
ROOT=${ROOT%/scripts/*}
. "$ROOT/scripts/lib.sh"
. "$ROOT/scripts/config.sh"
. "$ROOT/scripts/mounts.sh"
. "$ROOT/scripts/inventory.sh"
. "$ROOT/scripts/causes.sh"
. "$ROOT/scripts/pins.sh"
. "$ROOT/scripts/objects.sh"

usage() {
	cat <<-END
		usage: $DETACH_COMMAND

		Detach and unload everything of connpin, with its maps. Needs root.

		Settings: $CONFIG_PATH, or the environment.
		Exit status: 0 nothing is attached any more, 2 misuse, 3 not possible.
	END
}

remove_pins() {
	settle
	# shellcheck disable=SC2119 # no name is asked for
	look
	every_directory
	# shellcheck disable=SC2086 # names
	discard $listed
	pins=
	for pin in "$PIN_DIR/links"/* "$PIN_DIR/maps"/*; do
		[ ! -e "$pin" ] || ! is_ours "${pin##*/}" || pins="$pins $pin"
	done
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$pins" ] || run rm $pins
	# A directory with anything else in it stays, because that is not ours.
	rmdir "$PIN_DIR/links" "$PIN_DIR/maps" "$PIN_DIR" 2>/dev/null || for dir in "$PIN_DIR/links" "$PIN_DIR/maps" "$PIN_DIR"; do
		[ ! -d "$dir" ] || note "$dir is left: not ours is $(find "$dir" -mindepth 1 -maxdepth 1 | tr '\n' ' ')"
	done
}

main() {
	answer_help "$@"
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_root
	need_built
	need_commands bpftool flock
	load_settings --lenient # a wrong setting elsewhere must not prevent detaching
	take_lock
	if [ -d "$PIN_DIR" ]; then
		use_recorded_cgroup
		remove_pins
	else
		note "not attached: nothing to do"
	fi
	forget cgroup features served
	restore_bpffs
}

main "$@"

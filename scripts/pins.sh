# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # functions of inventory.sh answer in variables
# SPDX-License-Identifier: MIT
#
# pins.sh: the directory of pins, who may read it, and the maps in it.
#
# Needs lib.sh, inventory.sh, causes.sh and the settings.

# bpf ARGUMENT...: run bpftool to change something. When it fails, what it said is in
# BPF_SAID and the cause, one line, in BPF_ERROR.
BPF_SAID=
BPF_ERROR=
bpf() {
	echo_command bpftool "$@"
	BPF_SAID=$(bpftool "$@" 2>&1 >/dev/null) && return 0
	BPF_ERROR=$(cause_of "$BPF_SAID")
	[ -z "$VERBOSE" ] || printf '%s\n' "$BPF_SAID" >&2
	return 1
}

# Before Linux 5.11 maps count as locked memory of the user.
lift_memory_limit() {
	# dash, busybox ash and bash have it; elsewhere nothing is lost.
	# shellcheck disable=SC3045
	if (ulimit -l unlimited) 2>/dev/null; then
		ulimit -l unlimited
	fi
}

# The maps are readable by one group, and by nobody else.
ensure_group() {
	grep -q "^$PIN_GROUP:" /etc/group && return 0
	run groupadd --system "$PIN_GROUP" || die "cannot make the group $PIN_GROUP (setting PIN_GROUP)"
}

ensure_pin_dir() {
	ensure_group
	if [ ! -d "$PIN_DIR" ]; then
		made=$(LC_ALL=C mkdir "$PIN_DIR" 2>&1) || die "cannot make $PIN_DIR: ${made##*: }"
		undo rmdir "$PIN_DIR"
	fi
	for dir in maps links; do
		[ -d "$PIN_DIR/$dir" ] && continue
		mkdir -m 0700 "$PIN_DIR/$dir"
		undo rmdir "$PIN_DIR/$dir"
	done
}

# set_entries CAPACITY DEFAULT: how many entries a map gets, into $entries.
set_entries() {
	case $1 in
	CONN_V4_ENTRIES) entries=$CONN_V4_ENTRIES ;;
	CONN_V6_ENTRIES) entries=$CONN_V6_ENTRIES ;;
	# A record for each entry of both, eight in a bucket, and the header.
	identities) entries=$(((CONN_V4_ENTRIES + CONN_V6_ENTRIES) / 8 + 1)) ;;
	CONN_IN_ENTRIES) entries=$((CONN_IN_ENTRIES / 8 + 1)) ;;
	OTHER_SOCKETS) entries=$(((OTHER_SOCKETS + 7) / 8)) ;;
	# Four in a bucket.
	processes) entries=$((CONN_PROCESSES / 4)) ;;
	TCP_SOCKETS)
		# Groups of eight, found by the low bits of a number.
		entries=128
		while [ $((entries * 8)) -lt "$TCP_SOCKETS" ]; do
			entries=$((entries * 2))
		done
		;;
	*) entries=$2 ;;
	esac
}

# Maps that ensure_maps has seen to in this run, and those of them that another build made
# with another layout: commit_maps will put new ones in their place.
KNOWN_MAPS=
RELAID_MAPS=

# relay MAP UPGRADE: see bpf/table for what becomes of its contents.
relay() {
	case $2 in
	carry) note "$1 has another layout: its counts are carried over" ;;
	anew) note "$1 has another layout: it begins anew" ;;
	*) die "$PIN_DIR/maps/$1 has another layout than this build: run detach.sh first (this empties it)" ;;
	esac
	RELAID_MAPS="$RELAID_MAPS $1"
}

# Lines "MAP REASON": those that could not be created in this run.
MAP_ERRORS=

# ensure_maps OBJECT...: create their maps that are not pinned yet, all in one run of
# bpftool. Existing ones are taken over, contents and all, when type and sizes are those
# that this build was made for. One that can't be had is in MAP_ERRORS: see load().
ensure_maps() {
	to_make=
	for maps_object; do
		set_object "$maps_object"
		for map in $object_maps; do
			case "$KNOWN_MAPS " in
			*" $map "*) ;;
			*) ensure_map "$map" ;;
			esac
		done
	done
	while [ -n "$to_make" ]; do
		echo_command bpftool batch file - "
${to_make%"$NEWLINE"}"
		BPF_SAID=$(printf '%s' "$to_make" | bpftool batch file - 2>&1 >/dev/null) && return 0
		# It stopped at the first that is not there, if one is not: before Linux 5.11 it
		# reports an errno that libbpf left behind.
		note_missing_map
	done
}

# note_missing_map: the first of $to_make that is not there, into MAP_ERRORS; $to_make is
# then what follows it.
note_missing_map() {
	left_to_make=$to_make
	while [ -n "$left_to_make" ]; do
		made=${left_to_make%%"$NEWLINE"*}
		left_to_make=${left_to_make#*"$NEWLINE"}
		# shellcheck disable=SC2086 # words: map create PIN type T key K value V entries N ...
		split $made
		[ ! -e "$word3" ] || continue
		[ -z "$VERBOSE" ] || printf '%s\n' "$BPF_SAID" >&2
		entries=${made#* entries }
		map=${made##* name }
		MAP_ERRORS="$MAP_ERRORS$map cannot create map $map with ${entries%% *} entries: $(cause_of "$BPF_SAID")$NEWLINE"
		break
	done
	to_make=$left_to_make
}

# ensure_map MAP: what has to be made goes into $to_make.
ensure_map() {
	KNOWN_MAPS="$KNOWN_MAPS $1"
	inventory map "$1"
	# shellcheck disable=SC2086 # words
	split $found
	type=$word1 number=$word2 key=$word3 value=$word4 flags=$word6 upgrade=$word8
	set_entries "$word9" "$word5"
	# Nothing that has it will be attached.
	[ "$entries" -gt 0 ] || return 0
	map_pin=$PIN_DIR/maps/$1
	if set_map "$1"; then
		case $map_layout in
		"$number $key $value $entries $flags") return 0 ;;
		"$number $key $value "*" $flags")
			note "$1 keeps its capacity; $entries entries from the next detach.sh and attach.sh on"
			return 0
			;;
		esac
		relay "$1" "$upgrade"
		map_pin=${map_pin}_new
	fi
	undo rm -f "$map_pin"
	to_make="${to_make}map create $map_pin type $type key $key value $value entries $entries flags $flags name $1$NEWLINE"
}

# map_arguments OBJECT: "map name X pinned PIN" for each of its maps.
map_arguments() {
	set_object "$1"
	for map in $object_maps; do
		case "$RELAID_MAPS " in
		*" $map "*) printf ' map name %s pinned %s' "$map" "$PIN_DIR/maps/${map}_new" ;;
		*) printf ' map name %s pinned %s' "$map" "$PIN_DIR/maps/$map" ;;
		esac
	done
}

# set_access SUFFIX: who may read the maps and links, those that are there and, with SUFFIX
# _new, those that will take their place. Each time: a run may have been killed before this,
# or PIN_GROUP be another.
set_access() {
	for_group=
	for_root=
	for map in $(list maps); do
		inventory map "$map"
		# shellcheck disable=SC2086 # words
		split $found
		pin=$PIN_DIR/maps/$map$1
		[ -e "$pin" ] || continue
		case $word7 in
		group) for_group="$for_group $pin" ;;
		*) for_root="$for_root $pin" ;;
		esac
	done
	for link in $(list links); do
		pin=$PIN_DIR/links$1/$link
		[ ! -e "$pin" ] || for_group="$for_group $pin"
	done
	if [ -z "$1" ]; then
		dirs="$PIN_DIR $PIN_DIR/maps $PIN_DIR/links"
		# shellcheck disable=SC2086 # a list of paths
		chmod 0750 $dirs
		for_group="$for_group $dirs"
	fi
	# shellcheck disable=SC2086
	[ -z "$for_root" ] || chmod 0400 $for_root
	# shellcheck disable=SC2086
	[ -z "$for_group" ] || chgrp "$PIN_GROUP" $for_group
	for_group=${for_group%"${dirs-}"}
	# shellcheck disable=SC2086
	[ -z "$for_group" ] || chmod 0440 $for_group
}

# Numbers of 32 bits as bpftool wants them: bytes in the order of this machine.
bytes_of() {
	for number; do
		set -- $((number & 255)) $((number >> 8 & 255)) $((number >> 16 & 255)) $((number >> 24 & 255))
		[ "$BYTE_ORDER" = little ] || set -- "$4" "$3" "$2" "$1"
		printf '%s ' "$@"
	done
}

# write_settings CGROUP_SERIES CGROUP_LINGER BY_EVENTS SETTLING: struct tcp_settings of
# bpf/tcp_monitor.h.
WRITTEN_SETTINGS=
write_settings() {
	[ "$WRITTEN_SETTINGS" != "$*" ] && [ -e "$PIN_DIR/maps/tcp_settings" ] || return 0
	if [ -z "$WRITTEN_SETTINGS" ]; then
		BYTE_ORDER=big
		[ "$(printf '\1\0' | od -A n -t u2 | tr -d ' ')" != 1 ] || BYTE_ORDER=little
	fi
	WRITTEN_SETTINGS=$*
	# shellcheck disable=SC2046 # bytes, a word each
	bpf map update pinned "$PIN_DIR/maps/tcp_settings" key 0 0 0 0 value $(bytes_of "$@") ||
		die "cannot write the settings: $BPF_ERROR"
}

carry_counts() {
	run "$HELPERS/carry-counters" "$1" "$2" || note "what ${1##*/} had counted could not be carried over"
}

# Put maps of a new layout in their place: the new programs count in them, the old
# ones, not taken off yet, in the old. What these count until then is carried by
# carry_rest; nothing is lost, and nobody sees a counter go down.
commit_maps() {
	# Of a run that was killed.
	[ -z "$RELAID_MAPS" ] || carry_rest
	for map in $RELAID_MAPS; do
		inventory map "$map"
		# shellcheck disable=SC2086 # words
		split $found
		pin=$PIN_DIR/maps/$map
		if [ "$word8" = carry ]; then
			carry_counts "$pin" "${pin}_new"
			# Since when they count.
			touch -r "$pin" "${pin}_new"
			run ln "$pin" "${pin}_old"
		fi
		mv -f "${pin}_new" "$pin"
	done
}

# When the old programs are off: all that they had counted takes the place of what was
# carried so far.
carry_rest() {
	for map in $(list maps); do
		pin=$PIN_DIR/maps/$map
		[ -e "${pin}_old" ] || continue
		carry_counts "${pin}_old" "$pin"
		run rm "${pin}_old"
	done
}

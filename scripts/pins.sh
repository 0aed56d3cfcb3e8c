# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # functions of inventory.sh answer in variables
# SPDX-License-Identifier: MIT
#
# pins.sh: the directory of pins, who may read it, and the maps in it.
#
# Needs lib.sh, config.sh, causes.sh, inventory.sh.

VERBOSE=${V-}

BPF_SAID='' BPF_ERROR='' SHOWN=''

# bpf ARGUMENT...: run bpftool to change something. When it fails, what it said is in
# BPF_SAID and the cause, one line, in BPF_ERROR.
bpf() {
	echo_command bpftool "$@"
	BPF_SAID=$(bpftool "$@" 2>&1 >/dev/null) && return 0
	bpf_failed
}

# bpf_batch LINES: the same for several commands, a line each, in one process. It stops at
# the first that fails. That it failed does not say that one did: before Linux 5.11 it
# reports an errno that libbpf left behind, when all are done.
bpf_batch() {
	batch_before=$IFS
	IFS=$NEWLINE
	for batch_line in $1; do
		# One that was not come to is given to it again.
		case $NEWLINE$SHOWN in
		*"$NEWLINE$batch_line$NEWLINE"*) continue ;;
		esac
		SHOWN=$SHOWN$batch_line$NEWLINE
		IFS=$batch_before
		echo_command bpftool "$batch_line"
		IFS=$NEWLINE
	done
	IFS=$batch_before
	# libbpf reads the kernel's BTF anew for each object. That glibc keeps the memory in
	# between takes a third off the time of a first attach; others do not know the variable.
	BPF_SAID=$(
		GLIBC_TUNABLES=glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=268435456 \
			bpftool batch file - 2>&1 >/dev/null <<-END
			${1%"$NEWLINE"}
		END
	) && return 0
	bpf_failed
}

bpf_failed() {
	cause_of "$BPF_SAID"
	BPF_ERROR=$cause
	[ -z "$VERBOSE" ] || printf '%s\n' "$BPF_SAID" >&2
	return 1
}

# is_word PATH: it holds nothing that bpf_batch's reader, bpftool, takes for a separator, a
# quote or a comment.
is_word() {
	case $1 in
	*[!A-Za-z0-9_/.:@%+-]*) return 1 ;;
	esac
}

# set_cgroup_word: CGROUP as a word for bpf_batch, into $cgroup_word.
set_cgroup_word() {
	cgroup_word=$CGROUP
	[ -d "$CGROUP" ] || return 0
	is_word "$CGROUP" || {
		exec 8<"$CGROUP"
		cgroup_word=/proc/self/fd/8
	}
}

# set_objects_word: the same for OBJECTS, into $objects_word.
set_objects_word() {
	objects_word=$OBJECTS
	is_word "$OBJECTS" || {
		exec 7<"$OBJECTS"
		objects_word=/proc/self/fd/7
	}
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
	while IFS=: read -r group_name _ || [ -n "$group_name" ]; do
		[ "$group_name" != "$PIN_GROUP" ] || return 0
	done </etc/group
	run groupadd --system "$PIN_GROUP" || die "cannot make the group $PIN_GROUP (setting PIN_GROUP)"
}

# With links_new, which the first attach fills.
ensure_pin_dir() {
	ensure_group
	to_make=
	for dir in "$PIN_DIR" "$PIN_DIR/maps" "$PIN_DIR/links"; do
		[ -d "$dir" ] || to_make="$to_make $dir"
	done
	[ -n "$to_make" ] || return 0
	[ -d "$PIN_DIR/links_new" ] || to_make="$to_make $PIN_DIR/links_new"
	for dir in $to_make; do
		undo remove_directory "$dir"
	done
	# Others may look into it when set_access is done.
	# shellcheck disable=SC2086 # a list of paths
	made=$(LC_ALL=C mkdir -m 0700 $to_make 2>&1) && return 0
	made=${made%%"$NEWLINE"*}
	die "cannot make $PIN_DIR: ${made##*: }"
}

# For the undo list: it need not have been made.
remove_directory() {
	[ ! -d "$1" ] || rmdir "$1"
}

# set_entries CAPACITY DEFAULT: how many entries a map gets, into $entries.
set_entries() {
	case $1 in
	CONN_V4_ENTRIES) entries=$CONN_V4_ENTRIES ;;
	CONN_V6_ENTRIES) entries=$CONN_V6_ENTRIES ;;
	# A record for each entry of both, eight in a bucket, and the header.
	identities) entries=$(((CONN_V4_ENTRIES + CONN_V6_ENTRIES) / 8 + 1)) ;;
	CONN_IN_ENTRIES) entries=$CONN_IN_ENTRIES ;;
	inbound) entries=$(((CONN_IN_ENTRIES + 7) / 8 + 1)) ;;
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

KNOWN_MAPS='' RELAID_MAPS='' MAP_ERRORS='' TO_MAKE='' WRITTEN_SETTINGS=''

# relay MAP UPGRADE: see bpf/table for what becomes of its contents.
relay() {
	case $2 in
	carry) note "$1 has another layout: its counts are carried over" ;;
	anew) note "$1 has another layout: it begins anew" ;;
	*) die "$PIN_DIR/maps/$1 has another layout than this build: run $DETACH_COMMAND first (this empties it)" ;;
	esac
	RELAID_MAPS="$RELAID_MAPS $1"
}

# need_maps OBJECT...: what creates their maps that are not pinned yet goes into TO_MAKE.
# Existing ones are taken over, contents and all, when type and sizes are those that this
# build was made for.
need_maps() {
	new_pins=
	for maps_object; do
		set_object "$maps_object"
		for map in $object_maps; do
			case "$KNOWN_MAPS " in
			*" $map "*) ;;
			*)
				ensure_map "$map"
				new_pins="$new_pins${new_pin:+ $new_pin}"
				;;
			esac
		done
	done
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$new_pins" ] || undo rm -f $new_pins
}

# ensure_maps OBJECT...: create them. One that can't be had is in MAP_ERRORS.
ensure_maps() {
	need_maps "$@"
	while [ -n "$TO_MAKE" ]; do
		if bpf_batch "$TO_MAKE"; then
			TO_MAKE=
		else
			note_missing_map || TO_MAKE=
		fi
	done
}

# note_missing_map: the first of TO_MAKE that is not there, into MAP_ERRORS; TO_MAKE is
# then what follows it. Not 0 when all are there.
note_missing_map() {
	while [ -n "$TO_MAKE" ]; do
		made=${TO_MAKE%%"$NEWLINE"*}
		TO_MAKE=${TO_MAKE#*"$NEWLINE"}
		# shellcheck disable=SC2086 # words: map create PIN type T key K value V entries N ...
		split $made
		[ ! -e "$word3" ] || continue
		entries=${made#* entries }
		map=${made##* name }
		MAP_ERRORS="$MAP_ERRORS$map cannot create map $map with ${entries%% *} entries: $BPF_ERROR$NEWLINE"
		return 0
	done
	return 1
}

# has_map_error OBJECT: one of its maps can't be had; why is in BPF_ERROR.
has_map_error() {
	[ -n "$MAP_ERRORS" ] || return 1
	set_object "$1"
	for map in $object_maps; do
		if find_line "$MAP_ERRORS" "$map"; then
			BPF_SAID='' BPF_ERROR=$found
			return 0
		fi
	done
	return 1
}

# ensure_map MAP: what has to be made goes into TO_MAKE, its pin into $new_pin.
ensure_map() {
	new_pin=
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
			note "$1 keeps its capacity; $entries entries from the next $DETACH_COMMAND and $ATTACH_COMMAND on"
			return 0
			;;
		esac
		relay "$1" "$upgrade"
		map_pin=${map_pin}_new
	fi
	new_pin=$map_pin
	TO_MAKE="${TO_MAKE}map create $map_pin type $type key $key value $value entries $entries flags $flags name $1$NEWLINE"
}

# set_map_arguments OBJECT: "map name X pinned PIN" for each of its maps, into
# $map_arguments.
set_map_arguments() {
	set_object "$1"
	map_arguments=
	for map in $object_maps; do
		case "$RELAID_MAPS " in
		*" $map "*) map_arguments="$map_arguments map name $map pinned $PIN_DIR/maps/${map}_new" ;;
		*) map_arguments="$map_arguments map name $map pinned $PIN_DIR/maps/$map" ;;
		esac
	done
}

# set_access: who may read the maps and links, those that are there and, with _new, those
# that will take their place. Each time: a run may have been killed before this, or
# PIN_GROUP be another.
set_access() {
	for_group=
	for_root=
	list maps
	for map in $listed; do
		inventory map "$map"
		# shellcheck disable=SC2086 # words
		split $found
		for pin in "$PIN_DIR/maps/$map" "$PIN_DIR/maps/${map}_new"; do
			[ -e "$pin" ] || continue
			case $word7 in
			group) for_group="$for_group $pin" ;;
			*) for_root="$for_root $pin" ;;
			esac
		done
	done
	list links
	for link in $listed; do
		for pin in "$PIN_DIR/links/$link" "$PIN_DIR/links_new/$link"; do
			[ ! -e "$pin" ] || for_group="$for_group $pin"
		done
	done
	dirs="$PIN_DIR $PIN_DIR/maps $PIN_DIR/links"
	# shellcheck disable=SC2086 # a list of paths
	chmod 0750 $dirs
	# shellcheck disable=SC2086
	[ -z "$for_root" ] || chmod 0400 $for_root
	# shellcheck disable=SC2086
	chgrp "$PIN_GROUP" $dirs $for_group
	# shellcheck disable=SC2086
	[ -z "$for_group" ] || chmod 0440 $for_group
}

# bytes_of NUMBER...: of 32 bits, as bpftool wants them, bytes in the order of this
# machine, into $bytes.
bytes_of() {
	set_host
	bytes=
	for number; do
		set -- $((number & 255)) $((number >> 8 & 255)) $((number >> 16 & 255)) $((number >> 24 & 255))
		[ "$byte_order" = little ] || set -- "$4" "$3" "$2" "$1"
		bytes="$bytes $*"
	done
}

# set_settings CGROUP_SERIES CGROUP_LINGER BY_EVENTS SETTLING: the command that writes struct
# tcp_settings of bpf/tcp_monitor.h, into $settings_line; nothing when they are written.
set_settings() {
	bytes_of "$@"
	settings_line=
	[ "$WRITTEN_SETTINGS" != "$bytes" ] || return 0
	settings_pin=$PIN_DIR/maps/tcp_settings
	has_word tcp_settings "$RELAID_MAPS" && settings_pin=${settings_pin}_new
	settings_line="map update pinned $settings_pin key 0 0 0 0 value$bytes"
}

# write_settings SETTINGS_LINE: those of set_settings.
write_settings() {
	[ -n "$1" ] || return 0
	# shellcheck disable=SC2086 # words
	bpf $1 || die "cannot write the settings: $BPF_ERROR"
	note_settings "$1"
}

# note_settings SETTINGS_LINE: they are written.
note_settings() {
	[ -z "$1" ] || WRITTEN_SETTINGS=${1#* value}
}

carry_counts() {
	run "$HELPERS/carry-counters" "$1" "$2" || note "what ${1##*/} had counted could not be carried over"
}

# Put maps of a new layout in their place: the new programs count in them, the old
# ones, not taken off yet, in the old. What these count until then is carried by
# carry_rest. Nothing is lost. Nobody sees a counter of TCP go down; those of a map with one
# entry, to which counts can only be added, are carried once, by carry_rest, and a reader
# misses them for the moment between.
commit_maps() {
	# Of a run that was killed.
	[ -z "$RELAID_MAPS" ] || carry_rest
	for map in $RELAID_MAPS; do
		# It could not be created, and nothing that uses it will be attached.
		[ -e "$PIN_DIR/maps/${map}_new" ] || continue
		inventory map "$map"
		# shellcheck disable=SC2086 # words
		split $found
		pin=$PIN_DIR/maps/$map
		if [ "$word8" = carry ]; then
			[ "$word5" -eq 1 ] || carry_counts "$pin" "${pin}_new"
			# Since when they count.
			touch -r "$pin" "${pin}_new"
			run ln "$pin" "${pin}_old"
		fi
		mv -f "${pin}_new" "$pin"
	done
	RELAID_MAPS=
}

# When the old programs are off: all that they had counted takes the place of what was
# carried so far.
carry_rest() {
	list maps
	for map in $listed; do
		pin=$PIN_DIR/maps/$map
		[ -e "${pin}_old" ] || continue
		carry_counts "${pin}_old" "$pin"
		run rm "${pin}_old"
	done
}

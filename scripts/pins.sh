# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# pins.sh: the directory of pins, who may read it, and the maps in it.

# bpf ARGUMENT...: run bpftool to change something. When it fails its reason, one
# line, is in BPF_ERROR.
BPF_ERROR=
bpf() {
	printf '+ bpftool %s\n' "$*" >&2
	bpf_said=$(bpftool "$@" 2>&1 >/dev/null) && return 0
	# libbpf's or the verifier's first complaint, or bpftool's own.
	BPF_ERROR=$(printf '%s\n' "$bpf_said" | grep -v '^Warning\|^$' | head -n 1 | sed 's/^libbpf: //')
	return 1
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
	chgrp "$PIN_GROUP" "$PIN_DIR" "$PIN_DIR/maps" "$PIN_DIR/links"
	chmod 0750 "$PIN_DIR" "$PIN_DIR/maps" "$PIN_DIR/links"
}

# The capacity that the settings ask for, into $entries; $entries is the default.
set_entries() {
	case $1 in
	conn_to_pid_v4) entries=$CONN_V4_ENTRIES ;;
	conn_to_pid_v6) entries=$CONN_V6_ENTRIES ;;
	# A record for each entry of both, eight in an entry, and the header.
	conn_identity) entries=$(((CONN_V4_ENTRIES + CONN_V6_ENTRIES) / 8 + 1)) ;;
	tcp_sockets)
		# Groups of eight, found by the low bits of a number.
		entries=128
		while [ $((entries * 8)) -lt "$TCP_SOCKETS" ]; do
			entries=$((entries * 2))
		done
		;;
	esac
}

# shellcheck disable=SC2034 # for detach.sh, which does without the built list
ALL_MAPS="conn_to_pid_v4 conn_to_pid_v6 conn_identity tracker_metrics config tcp_metrics tcp_sockets
	tcp_readers tcp_cgroups tcp_cgroup_metrics tcp_cgroup_index tcp_path_room tcp_settings"

# Another build made the map, with another layout. Counters go on from where they are,
# what is known of the sockets of now begins anew, by a map that commit_maps will put
# in the place of the old one; a table that others read is never replaced unasked.
RELAID=
relay_map() {
	case $map in
	tcp_metrics | tcp_cgroup_metrics | tracker_metrics) note "$map has another layout: its counts are carried over" ;;
	tcp_*) note "$map has another layout: it begins anew" ;;
	*) die "$pin has another layout than this build: run detach.sh first (this empties it)" ;;
	esac
	RELAID="$RELAID $map"
	pin=${pin}_new
}

create_map() {
	bpf map create "$pin" type "$type" key "$key" value "$value" entries "$entries" \
		flags "$flags" name "$map" || die "cannot create map $map with $entries entries: $BPF_ERROR"
	undo rm -f "$pin"
}

# Create the maps of OBJECT that are not pinned yet. Existing ones are taken over,
# contents and all, when type and sizes are those that this build was made for.
ensure_maps() {
	ours=''
	private=''
	# shellcheck disable=SC2153 # OBJECTS is the directory, objects a column
	# 3: bpftool must not read the list.
	while read -r map type key value entries flags objects <&3; do
		case ,$objects, in
		*",$1,"*) ;;
		*) continue ;;
		esac
		# Another object of this run has it already.
		case "$RELAID " in
		*" $map "*) continue ;;
		esac
		set_entries "$map"
		pin=$PIN_DIR/maps/$map
		if [ ! -e "$pin" ]; then
			create_map
		else
			found=$(bpftool map show pinned "$pin")
			case $found in
			*": $type "*"flags $(printf %#x "$flags")"*"key ${key}B  value ${value}B "*"max_entries $entries "*) ;;
			*": $type "*"flags $(printf %#x "$flags")"*"key ${key}B  value ${value}B "*)
				note "$map keeps its capacity; $entries entries from the next detach.sh and attach.sh on"
				;;
			*)
				relay_map
				create_map
				;;
			esac
		fi
		case $map in
		# Kernel addresses, and what nobody else needs.
		tcp_sockets | tcp_cgroup_index | tcp_path_room | tcp_settings | tcp_readers) private="$private $pin" ;;
		*) ours="$ours $pin" ;;
		esac
	done 3<"$OBJECTS/maps"
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$private" ] || chmod 0400 $private
	[ -n "$ours" ] || return 0
	# Each time: a run may have been killed before this, or PIN_GROUP be another.
	# shellcheck disable=SC2086 # a list of paths
	chgrp "$PIN_GROUP" $ours
	# shellcheck disable=SC2086
	chmod 0440 $ours
}

# Numbers of 32 bits as bpftool wants them: bytes in the order of this machine.
bytes_of() {
	for number; do
		set -- $((number & 255)) $((number >> 8 & 255)) $((number >> 16 & 255)) $((number >> 24 & 255))
		[ "$BYTE_ORDER" = little ] || set -- "$4" "$3" "$2" "$1"
		printf '%s ' "$@"
	done
}

apply_settings() {
	BYTE_ORDER=big
	[ "$(printf '\1\0' | od -A n -t u2 | tr -d ' ')" != 1 ] || BYTE_ORDER=little
	# shellcheck disable=SC2046 # bytes, a word each
	bpf map update pinned "$PIN_DIR/maps/tcp_settings" key 0 0 0 0 \
		value $(bytes_of "$CGROUP_SERIES" "$CGROUP_LINGER" "$BY_EVENTS" 0) ||
		die "cannot write the settings: $BPF_ERROR"
}

# open_iterators SUFFIX: whoever may read the maps may run those that the metrics need.
open_iterators() {
	set -- "$PIN_DIR/links/on_read_sockets$1" "$PIN_DIR/links/on_read_programs$1"
	chgrp "$PIN_GROUP" "$@"
	chmod 0440 "$@"
}

# "map name X pinned PIN" for each map of OBJECT, into $map_arguments.
set_map_arguments() {
	map_arguments=
	while read -r map _ _ _ _ _ objects; do
		pin=$PIN_DIR/maps/$map
		[ ! -e "${pin}_new" ] || pin=${pin}_new
		case ,$objects, in
		*",$1,"*) map_arguments="$map_arguments map name $map pinned $pin" ;;
		esac
	done <"$OBJECTS/maps"
}

# Put maps of a new layout in their place: the new programs count in them, the old
# ones, not taken off yet, in the old. What is counted between these two moments
# counts twice; nothing is lost, and nobody sees a counter go down.
commit_maps() {
	for map in $RELAID; do
		pin=$PIN_DIR/maps/$map
		case $map in
		*_metrics)
			run "$HELPERS/carry-counters" "$pin" "${pin}_new" ||
				note "$map starts from 0: its counts could not be carried over"
			# Since when they count.
			touch -r "$pin" "${pin}_new"
			;;
		esac
		mv -f "${pin}_new" "$pin"
	done
}

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
	chgrp "$PIN_GROUP" "$PIN_DIR" "$PIN_DIR/maps"
	chmod 0750 "$PIN_DIR" "$PIN_DIR/maps"
}

# The capacity that the settings ask for, into $entries; $entries is the default.
set_entries() {
	case $1 in
	conn_to_pid_v4) entries=$CONN_V4_ENTRIES ;;
	conn_to_pid_v6) entries=$CONN_V6_ENTRIES ;;
	# A record for each entry of both, eight in an entry, and the header.
	conn_identity) entries=$(((CONN_V4_ENTRIES + CONN_V6_ENTRIES) / 8 + 1)) ;;
	esac
}

# shellcheck disable=SC2034 # for detach.sh, which does without the built list
ALL_MAPS="conn_to_pid_v4 conn_to_pid_v6 conn_identity tracker_metrics config tcp_metrics"

# Create the maps of OBJECT that are not pinned yet. Existing ones are taken over,
# contents and all, when type and sizes are those that this build was made for.
ensure_maps() {
	ours=
	# shellcheck disable=SC2153 # OBJECTS is the directory, objects a column
	# 3: bpftool must not read the list.
	while read -r map type key value entries flags objects <&3; do
		case ,$objects, in
		*",$1,"*) ;;
		*) continue ;;
		esac
		set_entries "$map"
		pin=$PIN_DIR/maps/$map
		if [ ! -e "$pin" ]; then
			bpf map create "$pin" type "$type" key "$key" value "$value" entries "$entries" \
				flags "$flags" name "$map" ||
				die "cannot create map $map with $entries entries: $BPF_ERROR"
			undo rm -f "$pin"
			ours="$ours $pin"
			continue
		fi
		found=$(bpftool map show pinned "$pin")
		case $found in
		*": $type "*"flags $(printf %#x "$flags")"*"key ${key}B  value ${value}B "*) ;;
		*) die "$pin has another layout than this build: run detach.sh first (this empties it)" ;;
		esac
		case $found in
		*"max_entries $entries "*) ;;
		*) note "$map keeps its capacity; $entries entries from the next detach.sh and attach.sh on" ;;
		esac
		ours="$ours $pin"
	done 3<"$OBJECTS/maps"
	# Each time: a run may have been killed before this, or PIN_GROUP be another.
	# shellcheck disable=SC2086 # a list of paths
	chgrp "$PIN_GROUP" $ours
	# shellcheck disable=SC2086
	chmod 0440 $ours
}

# "map name X pinned PIN" for each map of OBJECT, into $map_arguments.
set_map_arguments() {
	map_arguments=
	while read -r map _ _ _ _ _ objects; do
		case ,$objects, in
		*",$1,"*) map_arguments="$map_arguments map name $map pinned $PIN_DIR/maps/$map" ;;
		esac
	done <"$OBJECTS/maps"
}

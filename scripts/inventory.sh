# shellcheck shell=sh
# shellcheck disable=SC2034 # functions here answer in variables
# SPDX-License-Identifier: MIT
#
# inventory.sh: what the build knows of features, programs and maps (bpf/table and the
# objects themselves, put together by bpf/inventory.c, which says what each line holds),
# and what the kernel has of them.
#
# Needs lib.sh, config.sh, causes.sh.

# inventory WORD...: the rest of the line that begins with these words, into $found. Not 0
# when there is none.
# shellcheck disable=SC1091 # built
[ ! -f "$OBJECTS/inventory" ] || . "$OBJECTS/inventory"

# find_line TEXT WORDS: the rest of the first line of TEXT that begins with WORDS, into
# $found. Not 0 when there is none.
find_line() {
	found_before=$IFS
	IFS=$NEWLINE
	for found in $1; do
		case $found in
		"$2 "*)
			IFS=$found_before
			found=${found#"$2 "}
			return 0
			;;
		esac
	done
	IFS=$found_before
	return 1
}

# list WORDS: the words behind these in the inventory, into $listed; none when it has no
# such line.
list() {
	listed=
	! inventory "$@" || listed=$found
}

# split WORD...: into $word1, $word2, $word3, $word4, $word5, $word6, $word7 and $word8, what is
# left over into $word9.
split() {
	word1=${1-} word2=${2-} word3=${3-} word4=${4-} word5=${5-} word6=${6-} word7=${7-} word8=${8-}
	[ $# -le 8 ] || shift 8
	word9=$*
}

# has_word WORD WORDS
has_word() {
	case " $2 " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

# set_words TEXT: words separated by commas, into $words with spaces.
set_words() {
	words=$1
	while :; do
		case $words in
		*,*) words="${words%%,*} ${words#*,}" ;;
		*) return 0 ;;
		esac
	done
}

# set_how OBJECT PROGRAM: how it is attached, into $how, and its hook, into $hook; of "-"
# how a program of this name is in any object. Not 0 for a program that is not ours.
set_how() {
	how='' hook=''
	if [ "$1" = - ]; then
		inventory known "$2" || return 1
	else
		inventory program "$1" "$2" || return 1
	fi
	how=${found%% *}
	hook=${found#* }
}

# set_object OBJECT: its checksum and its maps, into $checksum and $object_maps.
set_object() {
	checksum=- object_maps=
	inventory object "$1" || return 0
	checksum=${found%% *}
	object_maps=
	[ "$checksum" = "$found" ] || object_maps=${found#* }
}

# set_rung N: what the table says, into $rung_state, $rung_pin, $rung_object,
# $rung_condition, $rung_hook and $rung_reason.
set_rung() {
	inventory rung "$1"
	# shellcheck disable=SC2086 # words
	split $found
	rung_state=$word2 rung_pin=$word3 rung_object=$word4 rung_condition=$word5 rung_hook=$word6
	rung_reason="$word7 $word8 $word9"
	[ "$rung_reason" != "  " ] || rung_reason=
}

# --- the kernel's side -------------------------------------------------------

STATE=

# look [NAME...]: what is pinned and attached at this moment, for those that follow; and which
# of the names the kernel's BTF has.
look() {
	STATE=$("$HELPERS/pinned" "$PIN_DIR" "$CGROUP" "$@") || {
		missing_capabilities
		die "cannot tell what is attached to $CGROUP${missing:+: a capability is missing: $missing}"
	}
	STATE=$NEWLINE$STATE$NEWLINE
}

# set_host: what look() saw, into $byte_order and $cgroup_id.
set_host() {
	find_line "$STATE" host
	byte_order=${found% *}
	cgroup_id=${found#* }
}

# set_program DIRECTORY NAME: what look() saw of it, into $program_state (attached or
# loose), $program_maps, $program_since and $program_skipped. Not 0 when it is not pinned.
set_program() {
	program_state=loose program_maps='' program_since=- program_skipped=0
	find_line "$STATE" "program $1 $2" || return 1
	# shellcheck disable=SC2086 # words
	split $found
	program_state=$word2 program_maps=$word4 program_since=$word5 program_skipped=$word6
}

# programs_in DIRECTORY: those that look() saw there, into $listed.
programs_in() {
	listed=
	! find_line "$STATE" "directory $1" || listed=$found
}

# set_map NAME: what look() saw of a map, into $map_id and $map_layout. Not 0: not pinned.
set_map() {
	find_line "$STATE" "map $1" || return 1
	map_id=${found%% *}
	map_layout=${found#* }
}

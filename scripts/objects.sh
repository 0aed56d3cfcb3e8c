# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # functions of inventory.sh answer in variables
# SPDX-License-Identifier: MIT
#
# objects.sh: load, attach, replace and take off the objects of one directory of pins.
#
# Programs are pinned in PIN_DIR/DIRECTORY, their links in PIN_DIR/links. New ones are
# loaded into DIRECTORY_new and attached beside the old ones, with their links in
# links_new; then the directories change places by rename and the old programs are taken
# off. Whatever a killed run leaves behind is one of these names, and settle() knows what
# to do with each.
#
# Needs lib.sh, inventory.sh, pins.sh, mounts.sh and the settings.

remove_pin() {
	[ ! -e "$1" ] || run rm "$1"
}

# --- cgroup hooks ------------------------------------------------------------

# Programs of the hook NUMBER, of enum bpf_attach_type, that are attached without multi, here
# or above, shut ours out.
name_foreigners() {
	look
	printf '%s' "$STATE" | while read -r kind foreign_hook id flags _ foreign_name foreign_cgroup; do
		[ "$kind $foreign_hook $flags" != "other $1 multi" ] || continue
		[ "$kind $foreign_hook" = "other $1" ] || continue
		printf 'program %s (%s) is attached without multi to %s; ' "$id" "$foreign_name" "$foreign_cgroup"
	done
}

# rewriters HOOK_NAME: programs of others that run after ours where an address may be
# rewritten, "sendmsg" or "connect": what those send to is not what ours see. As lines "ID
# NAME CGROUP".
rewriters() {
	case $1 in
	connect) rewriter_hooks=" 10 11 " ;; # BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT
	*) rewriter_hooks=" 14 15 " ;;       # BPF_CGROUP_UDP4_SENDMSG, BPF_CGROUP_UDP6_SENDMSG
	esac
	printf '%s' "$STATE" | while read -r kind rewriter_hook id _ order rewriter_name rewriter_cgroup; do
		[ "$kind $order" = "other after" ] || continue
		case $rewriter_hooks in
		*" $rewriter_hook "*) printf '%s %s %s\n' "$id" "$rewriter_name" "$rewriter_cgroup" ;;
		esac
	done
}

# rewriters_of DIRECTORY: those that can spoil what its programs record.
rewriters_of() {
	case $1 in
	port_tracker) rewriters sendmsg ;;
	# The variant with hooks at the beginning of connect(2).
	udp_connect) [ ! -e "$PIN_DIR/udp_connect/handle_connect4" ] || rewriters connect ;;
	esac
}

# attach_cgroup PIN HOW: not 0 when the kernel refuses; the cause is in BPF_ERROR.
attach_cgroup() {
	hook_word=${2#cgroup:}
	bpf cgroup attach "$CGROUP" "${hook_word%%:*}" pinned "$1" multi && return 0
	attach_error=$BPF_ERROR
	foreigners=$(name_foreigners "${hook_word#*:}")
	BPF_ERROR=$attach_error
	[ -z "$foreigners" ] || BPF_ERROR="${foreigners}detach it, or attach it with multi"
	return 1
}

# detach_cgroup PIN HOW. Never for a program that is not there: from a cgroup with a
# program attached without multi the kernel takes that one off, whichever is named.
detach_cgroup() {
	[ -d "$CGROUP" ] || return 0
	hook_word=${2#cgroup:}
	bpf cgroup detach "$CGROUP" "${hook_word%%:*}" pinned "$1" || die "cannot detach $1 from $CGROUP: $BPF_ERROR"
}

# --- taking off --------------------------------------------------------------

# take_off DIRECTORY NAME...: detach and unpin these programs, as look() saw them.
take_off() {
	off_directory=$1
	shift
	off_pins=
	for off_name; do
		set_program "$off_directory" "$off_name" || continue
		set_how - "$off_name" || continue
		off_pins="$off_pins $PIN_DIR/$off_directory/$off_name"
		case $how:$off_directory in
		cgroup:*) [ "$program_state" = loose ] || detach_cgroup "$PIN_DIR/$off_directory/$off_name" "$how" ;;
		# Others go with the pin of their link; those of _old had theirs replaced.
		*_old) ;;
		*_new) off_pins="$off_pins $PIN_DIR/links_new/$off_name" ;;
		*) off_pins="$off_pins $PIN_DIR/links/$off_name" ;;
		esac
	done
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$off_pins" ] || run rm -f $off_pins
}

# discard DIRECTORY: all of ours in it. What is not ours stays where it is, and the
# directory with it.
discard() {
	[ -d "$PIN_DIR/$1" ] || return 0
	# shellcheck disable=SC2046 # names
	take_off "$1" $(programs_in "$1")
	rmdir "$PIN_DIR/$1" 2>/dev/null || note "$PIN_DIR/$1 is left: not ours is $(echo "$PIN_DIR/$1"/*)"
}

# For the undo list: what is there is looked at anew.
discard_staged() {
	[ -d "$PIN_DIR/${1}_new" ] || return 0
	look
	discard "${1}_new"
}

# every_directory: of this build and of older ones.
every_directory() {
	list directories
	list gone
}

# After a run that was killed: finish its renames, take off what is left over.
settle() {
	left=
	for directory in $(every_directory); do
		[ -d "$PIN_DIR/$directory" ] || [ ! -d "$PIN_DIR/${directory}_old" ] ||
			[ ! -d "$PIN_DIR/${directory}_new" ] || mv "$PIN_DIR/${directory}_new" "$PIN_DIR/$directory"
		[ ! -d "$PIN_DIR/${directory}_new" ] || left="$left ${directory}_new"
		[ ! -d "$PIN_DIR/${directory}_old" ] || left="$left ${directory}_old"
	done
	if [ -n "$left" ]; then
		look
		for directory in $left; do
			discard "$directory"
		done
	fi
	for pin in "$PIN_DIR/links_new"/* "$PIN_DIR/links"/*_new "$PIN_DIR/maps"/*_new; do
		[ ! -e "$pin" ] || ! is_ours "${pin##*/}" || remove_pin "$pin"
	done
	[ ! -d "$PIN_DIR/links_new" ] || rmdir "$PIN_DIR/links_new" 2>/dev/null || true
}

# is_ours NAME: of a program or a map, with or without _new, or _old of a map.
is_ours() {
	set_how - "${1%_new}" && return 0
	ours_map=${1%_new}
	case " $(list maps) " in
	*" ${ours_map%_old} "*) return 0 ;;
	esac
	return 1
}

# --- putting on --------------------------------------------------------------

# load DIRECTORY OBJECT: into DIRECTORY_new. Not 0 when the kernel refuses: see BPF_ERROR.
load() {
	[ -d "$PIN_DIR/${1}_new" ] || undo discard_staged "$1"
	ensure_maps "$2"
	set_object "$2"
	for map in $object_maps; do
		if find_line "$MAP_ERRORS" "$map"; then
			BPF_SAID='' BPF_ERROR=$found
			return 1
		fi
	done
	# shellcheck disable=SC2046 # words
	bpf prog loadall "$OBJECTS/$2.bpf.o" "$PIN_DIR/${1}_new" $(map_arguments "$2") && return 0
	# bpftool leaves an empty directory behind.
	rmdir "$PIN_DIR/${1}_new" 2>/dev/null || true
	return 1
}

# attach_tracing HOW PROGRAM_PIN LINK_PIN...
attach_tracing() {
	echo_command attach-tracing "$@"
	BPF_SAID=$("$HELPERS/attach-tracing" "$@" 2>&1) && return 0
	BPF_ERROR=$(cause_of "$BPF_SAID")
	return 1
}

# attach_object DIRECTORY OBJECT: its programs, which are in DIRECTORY_new. Not 0 when the
# kernel refuses one: see BPF_ERROR.
attach_object() {
	attach_links=
	for attach_name in $(list programs "$2"); do
		attach_pin=$PIN_DIR/${1}_new/$attach_name
		set_how "$2" "$attach_name"
		case $how in
		cgroup:*) attach_cgroup "$attach_pin" "$how" || return 1 ;;
		*) attach_links="$attach_links $how $attach_pin $PIN_DIR/links_new/$attach_name" ;;
		esac
	done
	[ -n "$attach_links" ] || return 0
	if [ ! -d "$PIN_DIR/links_new" ]; then
		mkdir -m 0700 "$PIN_DIR/links_new"
		undo rmdir "$PIN_DIR/links_new"
	fi
	# shellcheck disable=SC2086 # words
	attach_tracing $attach_links
}

# unload DIRECTORY OBJECT: its programs in DIRECTORY_new, attached or not.
unload() {
	look
	# shellcheck disable=SC2046 # names
	take_off "${1}_new" $(list programs "$2")
	rmdir "$PIN_DIR/${1}_new" 2>/dev/null || true
}

# replace DIRECTORY...: put what is in DIRECTORY_new in the place of what is in DIRECTORY,
# and take the old programs off. From here on nothing can fail that undoing would help.
replace() {
	look
	if [ -d "$PIN_DIR/links_new" ]; then
		# rename(2) drops an old link as it puts the new one in its place.
		[ "$(echo "$PIN_DIR/links_new"/*)" = "$PIN_DIR/links_new/*" ] ||
			mv -f "$PIN_DIR/links_new"/* "$PIN_DIR/links"
		rmdir "$PIN_DIR/links_new"
	fi
	old_directories=
	for directory; do
		# A program that is not there any more: its link goes.
		for old_name in $(programs_in "$directory"); do
			[ -e "$PIN_DIR/${directory}_new/$old_name" ] || ! set_how - "$old_name" ||
				remove_pin "$PIN_DIR/links/$old_name"
		done
		if [ -d "$PIN_DIR/$directory" ]; then
			mv "$PIN_DIR/$directory" "$PIN_DIR/${directory}_old"
			old_directories="$old_directories ${directory}_old"
		fi
		[ ! -d "$PIN_DIR/${directory}_new" ] || mv "$PIN_DIR/${directory}_new" "$PIN_DIR/$directory"
	done
	[ -n "$old_directories" ] || return 0
	look
	for directory in $old_directories; do
		discard "$directory"
	done
}

# --- which cgroup ------------------------------------------------------------

# The cgroup of the attach, which the settings may not name any more.
use_recorded_cgroup() {
	if recall cgroup; then
		# shellcheck disable=SC2154 # lib.sh sets it
		CGROUP=$recalled
		[ -d "$CGROUP" ] || note "$CGROUP is gone, and what was attached to it"
		return 0
	fi
	find_cgroup
	[ -d "$PIN_DIR" ] || return 0
	search_cgroup
}

# Nobody remembers it: where the pinned programs of cgroup hooks are attached. A program
# whose pin was removed could not be taken off any more.
search_cgroup() {
	look
	has_loose || return 0
	configured=$CGROUP
	cgroup_list=$(find "$(cgroup_root "$configured")" -type d)
	cgroup_before=$IFS
	IFS=$NEWLINE
	for CGROUP in $cgroup_list; do
		IFS=$cgroup_before
		look
		if ! has_loose; then
			note "attached to $CGROUP, though nothing says so any more"
			return 0
		fi
	done
	IFS=$cgroup_before
	CGROUP=$configured
	look
}

# Whether a pinned program of a cgroup hook is not attached to the cgroup that was looked at.
has_loose() {
	for loose_directory in $(every_directory); do
		for loose_name in $(programs_in "$loose_directory"); do
			set_how - "$loose_name" || continue
			set_program "$loose_directory" "$loose_name"
			case $how:$program_state in
			cgroup:*:loose) return 0 ;;
			esac
		done
	done
	return 1
}

# Programs can't be taken off a cgroup that nobody remembers: it is written down
# before the first of them is attached.
record_cgroup() {
	if recall cgroup; then
		[ "$recalled" = "$CGROUP" ] || [ ! -d "$recalled" ] ||
			die "attached to $recalled, and CGROUP is now $CGROUP: run detach.sh first"
	else
		undo forget cgroup
	fi
	remember cgroup "$CGROUP"
}

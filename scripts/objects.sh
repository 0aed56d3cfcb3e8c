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
# Needs lib.sh, config.sh, mounts.sh, inventory.sh, pins.sh.

# is_empty PATH: a directory with nothing in it.
is_empty() {
	[ -d "$1" ] || return 1
	for entry in "$1"/*; do
		[ ! -e "$entry" ] || return 1
	done
}

remove_pin() {
	[ ! -e "$1" ] || run rm "$1"
}

# --- cgroup hooks ------------------------------------------------------------

# set_foreigners NUMBER: programs of this hook, of enum bpf_attach_type, that are attached
# without multi, here or above, and shut ours out; as look() saw them, into $foreigners.
set_foreigners() {
	foreigners=
	foreigners_before=$IFS
	IFS=$NEWLINE
	for foreigner in $STATE; do
		case $foreigner in
		"other $1 "*) ;;
		*) continue ;;
		esac
		IFS=$foreigners_before
		# shellcheck disable=SC2086 # words
		split $foreigner
		IFS=$NEWLINE
		[ "$word4" != multi ] || continue
		foreigner=${foreigner#other * * * * * }
		foreigners="${foreigners}program $word3 ($word6) is attached without multi to $foreigner; "
	done
	IFS=$foreigners_before
}

# set_rewriters HOOK_NAME: programs of others that run after ours where an address may be
# rewritten, "sendmsg" or "connect": what those send to is not what ours see. As lines "ID
# NAME CGROUP", into $rewriters.
set_rewriters() {
	case $1 in
	connect) rewriter_hooks=" 10 11 " ;; # BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT
	*) rewriter_hooks=" 14 15 " ;;       # BPF_CGROUP_UDP4_SENDMSG, BPF_CGROUP_UDP6_SENDMSG
	esac
	rewriters=
	rewriters_before=$IFS
	IFS=$NEWLINE
	for rewriter in $STATE; do
		case $rewriter in
		"other "*" after "*) ;;
		*) continue ;;
		esac
		IFS=$rewriters_before
		# shellcheck disable=SC2086 # words
		split $rewriter
		IFS=$NEWLINE
		[ "$word5" = after ] || continue
		case $rewriter_hooks in
		*" $word2 "*) rewriters="$rewriters$word3 $word6 ${rewriter#other * * * * * }$NEWLINE" ;;
		esac
	done
	IFS=$rewriters_before
}

# rewriters_of DIRECTORY: those that can spoil what its programs record, into $rewriters.
rewriters_of() {
	rewriters=
	case $1 in
	port_tracker) set_rewriters sendmsg ;;
	# The variant with hooks at the beginning of connect(2).
	udp_connect) [ ! -e "$PIN_DIR/udp_connect/handle_connect4" ] || set_rewriters connect ;;
	esac
}

# --- taking off --------------------------------------------------------------

# take_off DIRECTORY/NAME...: detach and unpin these programs, as look() saw them. Never
# one that is not there: from a cgroup with a program attached without multi the kernel
# takes that one off, whichever is named.
take_off() {
	off_pins='' off_lines=''
	set_cgroup_word
	for off_program; do
		off_directory=${off_program%/*} off_name=${off_program#*/}
		set_program "$off_directory" "$off_name" || continue
		set_how - "$off_name" || continue
		off_pins="$off_pins $PIN_DIR/$off_program"
		case $how:$off_directory in
		cgroup:*)
			[ "$program_state" = attached ] || continue
			[ -d "$CGROUP" ] || continue
			hook_word=${how#cgroup:}
			off_lines="${off_lines}cgroup detach $cgroup_word ${hook_word%%:*} pinned $PIN_DIR/$off_program$NEWLINE"
			;;
		# Others go with the pin of their link; those of _old had theirs replaced.
		*_old) ;;
		*_new) off_pins="$off_pins $PIN_DIR/links_new/$off_name" ;;
		*) off_pins="$off_pins $PIN_DIR/links/$off_name" ;;
		esac
	done
	[ -z "$off_lines" ] || bpf_batch "$off_lines" || is_all_off "$@" || die "cannot detach from $CGROUP: $BPF_ERROR"
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$off_pins" ] || run rm -f $off_pins
}

# is_all_off DIRECTORY/NAME...: none of a cgroup hook is attached any more. See bpf_batch.
is_all_off() {
	look
	for off_program; do
		set_how - "${off_program#*/}" || continue
		set_program "${off_program%/*}" "${off_program#*/}" || continue
		case $how:$program_state in
		cgroup:*:attached) return 1 ;;
		esac
	done
}

# discard DIRECTORY...: all of ours in them. What is not ours stays where it is, and the
# directory with it.
discard() {
	discarded='' discarded_programs=''
	for discarded_directory; do
		[ -d "$PIN_DIR/$discarded_directory" ] || continue
		discarded="$discarded $PIN_DIR/$discarded_directory"
		programs_in "$discarded_directory"
		for discarded_name in $listed; do
			discarded_programs="$discarded_programs $discarded_directory/$discarded_name"
		done
	done
	[ -n "$discarded" ] || return 0
	# shellcheck disable=SC2086 # names
	take_off $discarded_programs
	# shellcheck disable=SC2086 # a list of paths
	rmdir $discarded 2>/dev/null || for discarded_directory in $discarded; do
		[ ! -d "$discarded_directory" ] ||
			note "$discarded_directory is left: not ours is $(echo "$discarded_directory"/*)"
	done
}

# For the undo list: what is there is looked at anew.
discard_staged() {
	[ -d "$PIN_DIR/${1}_new" ] || return 0
	look
	discard "${1}_new"
}

# every_directory: of this build and of older ones, into $listed.
every_directory() {
	list directories
	own_directories=$listed
	list gone
	listed="$own_directories $listed"
}

# After a run that was killed: finish its renames, take off what is left over.
settle() {
	left=
	every_directory
	for directory in $listed; do
		[ -d "$PIN_DIR/$directory" ] || [ ! -d "$PIN_DIR/${directory}_old" ] ||
			[ ! -d "$PIN_DIR/${directory}_new" ] || mv "$PIN_DIR/${directory}_new" "$PIN_DIR/$directory"
		[ ! -d "$PIN_DIR/${directory}_new" ] || left="$left ${directory}_new"
		[ ! -d "$PIN_DIR/${directory}_old" ] || left="$left ${directory}_old"
	done
	if [ -n "$left" ]; then
		look
		# shellcheck disable=SC2086 # names
		discard $left
	fi
	for pin in "$PIN_DIR/links_new"/* "$PIN_DIR/links"/*_new "$PIN_DIR/maps"/*_new; do
		[ ! -e "$pin" ] || ! is_ours "${pin##*/}" || remove_pin "$pin"
	done
	[ ! -d "$PIN_DIR/links_new" ] || rmdir "$PIN_DIR/links_new" 2>/dev/null || true
}

# need_no_leftovers: a stranger's pin keeps a directory whose name replace() will need.
need_no_leftovers() {
	every_directory
	for directory in $listed; do
		[ ! -d "$PIN_DIR/${directory}_old" ] ||
			die "$PIN_DIR/${directory}_old is in the way: remove what is not ours in it"
	done
}

# is_ours NAME: of a program or a map, with or without _new, or _old of a map.
is_ours() {
	set_how - "${1%_new}" && return 0
	ours_map=${1%_new}
	list maps
	case " $listed " in
	*" ${ours_map%_old} "*) return 0 ;;
	esac
	return 1
}

# --- putting on --------------------------------------------------------------

UNDONE_DIRECTORIES=

# undo_directory DIRECTORY: what will be in DIRECTORY_new goes, should this run fail.
undo_directory() {
	case "$UNDONE_DIRECTORIES " in
	*" $1 "*) return 0 ;;
	esac
	UNDONE_DIRECTORIES="$UNDONE_DIRECTORIES $1"
	undo discard_staged "$1"
}

# set_load DIRECTORY OBJECT: the command that loads it into DIRECTORY_new, into $load_line.
set_load() {
	set_map_arguments "$2"
	set_objects_word
	load_line="prog loadall $objects_word/$2.bpf.o $PIN_DIR/${1}_new$map_arguments"
}

# load DIRECTORY OBJECT: into DIRECTORY_new. Not 0 when the kernel refuses: see BPF_ERROR.
load() {
	ensure_maps "$2"
	! has_map_error "$2" || return 1
	undo_directory "$1"
	set_load "$1" "$2"
	# shellcheck disable=SC2086 # words
	bpf $load_line && return 0
	# bpftool leaves an empty directory behind.
	rmdir "$PIN_DIR/${1}_new" 2>/dev/null || true
	return 1
}

# set_attach_lines DIRECTORY OBJECT: the commands that attach those of its programs that
# are for hooks of the cgroup, into $attach_lines, a line each.
set_attach_lines() {
	attach_lines=
	set_cgroup_word
	list programs "$2"
	for attach_name in $listed; do
		set_how "$2" "$attach_name"
		hook_word=${how#cgroup:}
		[ "$hook_word" = "$how" ] ||
			attach_lines="${attach_lines}cgroup attach $cgroup_word ${hook_word%%:*} pinned $PIN_DIR/${1}_new/$attach_name multi$NEWLINE"
	done
}

# set_links DIRECTORY OBJECT: words for attach-tracing, of its other programs that have no
# link yet, into $link_words.
set_links() {
	link_words=
	list programs "$2"
	for attach_name in $listed; do
		set_how "$2" "$attach_name"
		case $how in
		cgroup:*) continue ;;
		esac
		[ -e "$PIN_DIR/links_new/$attach_name" ] ||
			link_words="$link_words $how $PIN_DIR/${1}_new/$attach_name $PIN_DIR/links_new/$attach_name"
	done
}

# attach_tracing HOW PROGRAM_PIN LINK_PIN...
attach_tracing() {
	if [ ! -d "$PIN_DIR/links_new" ]; then
		undo remove_directory "$PIN_DIR/links_new"
		mkdir -m 0700 "$PIN_DIR/links_new"
	fi
	echo_command attach-tracing "$@"
	BPF_SAID=$("$HELPERS/attach-tracing" "$@" 2>&1) && return 0
	bpf_failed
}

# is_loaded DIRECTORY OBJECT: its programs are in DIRECTORY_new. bpftool pins all or none.
is_loaded() {
	list programs "$2"
	[ -e "$PIN_DIR/${1}_new/${listed%% *}" ]
}

# loose_hook DIRECTORY OBJECT: one of its programs in DIRECTORY_new, as look() saw them, is
# not attached to the cgroup. Why not is in BPF_ERROR, if the cause is a stranger's.
loose_hook() {
	list programs "$2"
	for attach_name in $listed; do
		set_how "$2" "$attach_name"
		case $how in
		cgroup:*) ;;
		*) continue ;;
		esac
		set_program "${1}_new" "$attach_name" && [ "$program_state" = attached ] && continue
		set_foreigners "${how##*:}"
		[ -z "$foreigners" ] || BPF_ERROR="${foreigners}detach it, or attach it with multi"
		return 0
	done
	return 1
}

# unload DIRECTORY OBJECT: its programs in DIRECTORY_new, attached or not.
unload() {
	look
	unloaded=
	list programs "$2"
	for unloaded_name in $listed; do
		unloaded="$unloaded ${1}_new/$unloaded_name"
	done
	# shellcheck disable=SC2086 # names
	take_off $unloaded
	rmdir "$PIN_DIR/${1}_new" 2>/dev/null || true
}

# replace DIRECTORY...: put what is in DIRECTORY_new in the place of what is in DIRECTORY,
# and take the old programs off. From here on nothing can fail that undoing would help.
replace() {
	old_directories='' old_links='' moves=''
	for directory; do
		[ ! -d "$PIN_DIR/$directory" ] || old_directories="$old_directories ${directory}_old"
	done
	[ -z "$old_directories" ] || look
	for link in "$PIN_DIR/links_new"/*; do
		# rename(2) drops an old link as it puts the new one in its place.
		[ ! -e "$link" ] || moves="$moves $link $PIN_DIR/links/${link##*/}"
	done
	for directory; do
		if [ -d "$PIN_DIR/$directory" ]; then
			# A program that is not there any more: its link goes.
			programs_in "$directory"
			for old_name in $listed; do
				[ -e "$PIN_DIR/${directory}_new/$old_name" ] || [ ! -e "$PIN_DIR/links/$old_name" ] ||
					! set_how - "$old_name" || old_links="$old_links $PIN_DIR/links/$old_name"
			done
			moves="$moves $PIN_DIR/$directory $PIN_DIR/${directory}_old"
		fi
		[ ! -d "$PIN_DIR/${directory}_new" ] || moves="$moves $PIN_DIR/${directory}_new $PIN_DIR/$directory"
	done
	# shellcheck disable=SC2086 # lists of paths
	[ -z "$old_links" ] || run rm -f $old_links
	# shellcheck disable=SC2086
	[ -z "$moves" ] || "$HELPERS/move-pins" $moves
	[ -n "$old_directories" ] || return 0
	look
	# shellcheck disable=SC2086 # names
	discard $old_directories
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
	every_directory
	for loose_directory in $listed; do
		programs_in "$loose_directory"
		for loose_name in $listed; do
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
			die "attached to $recalled, and CGROUP is now $CGROUP: run $DETACH_COMMAND first"
	else
		if [ -d "$PIN_DIR" ]; then
			wanted_cgroup=$CGROUP
			search_cgroup
			[ "$CGROUP" = "$wanted_cgroup" ] ||
				die "attached to $CGROUP, and CGROUP is now $wanted_cgroup: run $DETACH_COMMAND first"
		fi
		undo forget cgroup
	fi
	remember cgroup "$CGROUP"
}

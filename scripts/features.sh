# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # functions of inventory.sh answer in variables
# SPDX-License-Identifier: MIT
#
# features.sh: serve each feature by the first of its rungs (bpf/table) that this kernel
# takes, and write down which that was.
#
#   RUN_DIR/features  "NAME STATE HOOK REASON" a line, for status.sh and the metrics
#   RUN_DIR/served    "NAME PIN OBJECT CHECKSUM" a line, of those that are on or degraded
#
# Both are written whole, when all is attached.
#
# Needs lib.sh, config.sh, causes.sh, inventory.sh, pins.sh, objects.sh.

# An object that the kernel has yet to be asked for is taken for one that it takes, and
# comes into QUEUE; so the ladders of all features are gone through at once, and what is in
# QUEUE is given to the kernel in one command. At what it refuses, the ladders are gone
# through anew, with that known: see serve_directories().

# What each of these holds is in the file globals.
LOADED='' PROGRAMS='' QUEUE='' TAKEN='' PENDING='' HOOKED='' DENIED='' REFUSED=''
SETTLED='' UNSETTLED='' STAGED='' BEHIND='' NEW_FEATURES='' NEW_SERVED='' TO_TELL=''

# --- conditions --------------------------------------------------------------

# look_at_kernel: look(), those of the names that conditions ask for that the kernel's BTF
# has, and the kinds of programs that it does not permit at all, so that none is tried.
look_at_kernel() {
	list btf
	# shellcheck disable=SC2086 # names
	look $listed
	BTF_NAMES=
	! find_line "$STATE" btf || BTF_NAMES=$found
	find_line "$STATE" refused || return 0
	cause_of "Operation not permitted"
	for refused_kind in $found; do
		REFUSED="$NEWLINE$refused_kind $cause$REFUSED"
	done
}

# All sockets are below the root of the hierarchy, which is the cgroup with the number 1.
is_root_cgroup() {
	set_host
	[ "$cgroup_id" -eq 1 ]
}

# holds CONDITION: else the reason is in $unmet.
holds() {
	case $1 in
	-) return 0 ;;
	btf:*)
		unmet="this kernel has no ${1#btf:}"
		case " $BTF_NAMES " in *" ${1#btf:} "*) return 0 ;; esac
		;;
	no-btf:*)
		unmet="this kernel has ${1#no-btf:}"
		case " $BTF_NAMES " in *" ${1#no-btf:} "*) ;; *) return 0 ;; esac
		;;
	root-cgroup)
		unmet="CGROUP is not the root: changes that come while the same program is interrupted are missed"
		! is_root_cgroup || return 0
		;;
	setting:*+*)
		holds "${1%%+*}" && holds "${1#*+}" && return 0
		;;
	setting:*)
		unmet="the setting ${1#setting:} is 0"
		set_entries "${1#setting:}" 0
		[ "$entries" -eq 0 ] || return 0
		;;
	with:*)
		set_words "${1#with:}"
		for with_object in $words; do
			case " $LOADED " in *" $with_object "*) return 0 ;; esac
		done
		unmet="it goes with one of these, which are not attached: $words"
		;;
	esac
	return 1
}

# --- refusals ----------------------------------------------------------------

# set_kind HOOK: what a kernel or a security module can refuse as a whole, into $kind.
set_kind() {
	case $1 in
	fentry/* | fexit/* | tp_btf/* | raw_tp/* | tracepoint/*) kind=${1%%/*} ;;
	*) kind=$1 ;;
	esac
}

# is_refused OBJECT: it has a program of a kind that was refused; why is in BPF_ERROR.
is_refused() {
	[ -n "$REFUSED" ] || return 1
	list programs "$1"
	for refused_name in $listed; do
		set_how "$1" "$refused_name"
		set_kind "$hook"
		if find_line "$REFUSED" "$kind"; then
			BPF_ERROR=$found
			return 0
		fi
	done
	return 1
}

# deny OBJECT: by bpftool's last answer, why is in BPF_ERROR. When not this program but its
# kind is not permitted, no other of that kind is tried.
deny() {
	DENIED="$DENIED$1 $BPF_ERROR$NEWLINE"
	case $BPF_SAID in
	*"Operation not permitted"*) ;;
	*) return 0 ;;
	esac
	refused_program "$BPF_SAID"
	[ -n "$refused_name" ] && set_how "$1" "$refused_name" || return 0
	set_kind "$hook"
	REFUSED="$NEWLINE$kind $BPF_ERROR$REFUSED"
}

# is_denied OBJECT: it is known already that the kernel does not take it; why is in
# BPF_ERROR.
is_denied() {
	if find_line "$DENIED" "$1"; then
		BPF_ERROR=$found
		return 0
	fi
	is_refused "$1" || has_map_error "$1"
}

# --- what was served before --------------------------------------------------

# read_served: what the last run wrote down.
read_served() {
	read_file "$RUN_DIR/served"
	SERVED=$NEWLINE$file_text
	read_file "$RUN_DIR/features"
	FEATURES=$NEWLINE$file_text
}

# set_served FEATURE: the object and its checksum that the last run wrote down for it, into
# $served_object and $served_checksum; "-" when it was off.
set_served() {
	served_object=- served_checksum=-
	find_line "$SERVED" "$1" || return 0
	# shellcheck disable=SC2086 # words
	split $found
	served_object=$word2 served_checksum=$word3
}

# is_attached DIRECTORY OBJECT: all of its programs are, with the maps that are pinned now.
is_attached() {
	set_object "$2"
	map_ids=
	for map in $object_maps; do
		set_map "$map" || return 1
		case "$RELAID_MAPS " in
		*" $map "*) return 1 ;;
		esac
		map_ids="$map_ids $map_id"
	done
	list programs "$2"
	for attached_name in $listed; do
		set_program "$1" "$attached_name" && [ "$program_state" = attached ] || return 1
		set_words "$program_maps"
		for id in $words; do
			case "$map_ids " in
			*" $id "*) ;;
			*) return 1 ;;
			esac
		done
	done
}

# is_settled DIRECTORY: each of its features is served by the object that it would be
# served by now.
is_settled() {
	settled_programs=
	# Those attached to the cgroup itself: ours go behind them.
	rewriters_of "$1"
	case "$rewriters" in
	*" $CGROUP$NEWLINE"*)
		BEHIND="$BEHIND $1"
		note "$1: attached anew, behind programs that may rewrite addresses"
		return 1
		;;
	esac
	list directory "$1"
	for settled_feature in $listed; do
		is_settled_feature "$1" "$settled_feature" || return 1
		settled_programs="$settled_programs $feature_programs"
	done
	programs_in "$1"
	for settled_name in $listed; do
		case " $settled_programs " in
		*" $settled_name "*) ;;
		*) return 1 ;; # of another rung, or of an older build
		esac
	done
}

# is_settled_feature DIRECTORY FEATURE: the same of one, the programs of its object into
# $feature_programs. A better rung than the one of the last run is tried, as far as loading it.
is_settled_feature() {
	feature_programs=
	# Of a run that was killed between the two files.
	find_line "$FEATURES" "$2" || return 1
	set_served "$2"
	list feature "$2"
	for rung in $listed; do
		set_rung "$rung"
		holds "$rung_condition" || continue
		if [ "$rung_object" = "$served_object" ]; then
			set_object "$rung_object"
			[ "$checksum" = "$served_checksum" ] || return 1
			ensure_maps "$rung_object"
			is_attached "$1" "$rung_object" || return 1
			list programs "$rung_object"
			feature_programs=$listed
			return 0
		fi
		! is_denied "$rung_object" || continue
		if load "$1" "$rung_object"; then
			unload "$1" "$rung_object"
			return 1
		fi
		deny "$rung_object"
	done
	[ "$served_object" = - ]
}

# --- the ladder --------------------------------------------------------------

# feature NAME STATE HOOK REASON: for status.sh and the metrics.
feature() {
	NEW_FEATURES="$NEW_FEATURES$1 $2 $3 $4$NEWLINE"
	[ "$2" = on ] || TO_TELL="$TO_TELL$1 is $2: $4$NEWLINE"
}

# served NAME PIN OBJECT
served() {
	set_object "$3"
	NEW_SERVED="$NEW_SERVED$1 $2 $3 $checksum$NEWLINE"
}

# try DIRECTORY OBJECT: whether the kernel takes it. When it has yet to be asked the answer
# is yes, for now. Not 0 when it has refused: see BPF_ERROR.
try() {
	case "$TAKEN$QUEUE " in
	*" $1/$2 "*) ;;
	*)
		# What is loaded stays, though another of its kind was refused.
		has_word "$1/$2" "$PENDING" || ! is_denied "$2" || return 1
		QUEUE="$QUEUE $1/$2"
		;;
	esac
	LOADED="$LOADED $2"
	list programs "$2"
	for tried_name in $listed; do
		PROGRAMS="$PROGRAMS $1/$tried_name"
	done
}

# has_program_of DIRECTORY OBJECT: another object has put one into DIRECTORY_new.
has_program_of() {
	list programs "$2"
	for other_name in $listed; do
		case "$PROGRAMS " in
		*" $1/$other_name "*) return 0 ;;
		esac
	done
	return 1
}

# join_reasons TEXT...: those that are not empty, once each, into $joined.
join_reasons() {
	joined=
	for text; do
		case "; $joined; " in
		*"; $text; "*) continue ;;
		esac
		[ -z "$text" ] || joined="$joined${joined:+; }$text"
	done
}

# serve FEATURE: by the first rung that holds and that the kernel takes, else it is off.
# The reason tells of the best rung that was refused, and of the last one.
serve() {
	first=
	last=
	refused=
	first_hook=
	list feature "$1"
	for rung in $listed; do
		set_rung "$rung"
		if ! holds "$rung_condition"; then
			case $unmet in
			"this kernel has "*) ;; # the rung is for another kernel
			*) last=$unmet first_hook=${first_hook:-$rung_hook} ;;
			esac
			continue
		fi
		case "$rung_object $LOADED " in
		"- "* | *" $rung_object "*) ;;
		*)
			if has_program_of "${rung_pin%/*}" "$rung_object"; then
				# That does less, because this one was refused.
				! is_denied "$rung_object" || refused="$rung_hook: $BPF_ERROR"
				first_hook=${first_hook:-$rung_hook}
				continue
			fi
			if ! try "${rung_pin%/*}" "$rung_object"; then
				last="$rung_hook: $BPF_ERROR"
				[ -n "$first" ] || first=$last
				first_hook=${first_hook:-$rung_hook}
				continue
			fi
			;;
		esac
		[ "$rung_object" = - ] || served "$1" "$rung_pin" "$rung_object"
		if [ "$rung_state" = on ]; then
			feature "$1" on "$rung_hook" ''
		else
			join_reasons "$rung_reason" "$first"
			feature "$1" "$rung_state" "$rung_hook" "$joined"
		fi
		return 0
	done
	join_reasons "${first:-$refused}" "$last"
	feature "$1" off "${first_hook:--}" "$joined"
}

# keep DIRECTORY: it stays as it is, and what was written down of it.
keep() {
	list directory "$1"
	for kept in $listed; do
		! find_line "$FEATURES" "$kept" || NEW_FEATURES="$NEW_FEATURES$kept $found$NEWLINE"
		! find_line "$SERVED" "$kept" || NEW_SERVED="$NEW_SERVED$kept $found$NEWLINE"
		set_served "$kept"
		[ "$served_object" = - ] || LOADED="$LOADED $served_object"
	done
}

# serve_directory DIRECTORY: each of its features. Not 0 when the kernel has to be asked for
# what is in QUEUE first.
serve_directory() {
	if [ -d "$PIN_DIR/$1" ] && ! has_word "$1" "$SETTLED $UNSETTLED"; then
		[ -z "$QUEUE" ] || return 1
		if is_settled "$1"; then
			SETTLED="$SETTLED $1"
		else
			UNSETTLED="$UNSETTLED $1"
		fi
	fi
	if has_word "$1" "$SETTLED"; then
		keep "$1"
		return 0
	fi
	list directory "$1"
	for served_feature in $listed; do
		serve "$served_feature"
	done
}

# serve_directories KEPT DIRECTORY...: all of them, "-" too; those of the list KEPT are left as
# they are. It ends when the kernel was asked for all that serves a feature by then.
serve_directories() {
	kept_directories=$1
	shift
	while :; do
		LOADED='' PROGRAMS='' QUEUE='' NEW_FEATURES='' NEW_SERVED='' TO_TELL=''
		for directory in $kept_directories; do
			keep "$directory"
		done
		for directory; do
			serve_directory "$directory" || break
			[ "$directory" != port_tracker ] || need_tracker
		done
		[ -n "$QUEUE" ] || break
		ask_kernel
	done
	drop_unplanned
	[ -z "$UNSETTLED" ] || look
	for directory; do
		has_word "$directory" "$SETTLED" || stage "$directory"
	done
}

# Only this may end attach.sh.
need_tracker() {
	is_served tcp_opens || is_served udp_sends_v4 || is_served udp_sends_v6 || {
		why_not tcp_opens
		die "cannot attach the tracker: $reason"
	}
}

# stage DIRECTORY: into STAGED, unless what is attached is as good.
stage() {
	# bpftool leaves one behind for an object that was refused.
	! is_empty "$PIN_DIR/${1}_new" || rmdir "$PIN_DIR/${1}_new"
	[ -d "$PIN_DIR/$1" ] || [ -d "$PIN_DIR/${1}_new" ] || return 0
	if [ -d "$PIN_DIR/$1" ] && is_as_before "$1"; then
		discard_staged "$1"
	else
		STAGED="$STAGED $1"
	fi
}

# --- asking the kernel ---------------------------------------------------------

# drop_unplanned: what was loaded and goes with what was refused later.
drop_unplanned() {
	for dropped in $PENDING $TAKEN; do
		case "$LOADED " in
		*" ${dropped#*/} "*) ;;
		*) drop "${dropped%/*}" "${dropped#*/}" ;;
		esac
	done
}

# drop DIRECTORY OBJECT: it is neither attached nor loaded any more.
drop() {
	unload "$1" "$2"
	without "$1/$2" "$PENDING"
	PENDING=$others
	without "$1/$2" "$TAKEN"
	TAKEN=$others
	without "$1/$2" "$HOOKED"
	HOOKED=$others
}

# without WORD WORDS: the others, into $others.
without() {
	others=
	for other in $2; do
		[ "$other" = "$1" ] || others="$others $other"
	done
}

# refuse DIRECTORY OBJECT: the kernel did, after it was loaded.
refuse() {
	refuse_error=$BPF_ERROR
	drop "$1" "$2"
	BPF_SAID='' BPF_ERROR=$refuse_error
	deny "$2"
}

# ask_kernel: load and attach what is in QUEUE, in this order; up to the first that the
# kernel refuses.
ask_kernel() {
	drop_unplanned
	# shellcheck disable=SC2086 # a list of names
	load_and_hook $QUEUE && link_queue $QUEUE || return 0
	for queued in $QUEUE; do
		without "$queued" "$PENDING"
		PENDING=$others
		TAKEN="$TAKEN $queued"
	done
}

# load_and_hook DIRECTORY/OBJECT...: load them, then attach those of their programs that are
# for the cgroup, all in one run of bpftool. Not 0 when the kernel refuses one.
load_and_hook() {
	lines='' queued_objects=''
	for queued; do
		queued_objects="$queued_objects ${queued#*/}"
	done
	# shellcheck disable=SC2086 # a list of names
	need_maps $queued_objects
	for queued; do
		has_word "$queued" "$PENDING" || {
			undo_directory "${queued%/*}"
			set_load "${queued%/*}" "${queued#*/}"
			lines=$lines$load_line$NEWLINE
		}
	done
	for queued; do
		has_word "$queued" "$HOOKED" || {
			set_attach_lines "${queued%/*}" "${queued#*/}"
			lines=$lines$attach_lines
		}
	done
	# Before the first event that is counted by them.
	settings_line=
	for queued_object in $queued_objects; do
		set_object "$queued_object"
		! has_word tcp_settings "$object_maps" || set_plan_settings 1
	done
	lines=$TO_MAKE${settings_line:+$settings_line$NEWLINE}$lines
	[ -n "$lines" ] || return 0
	if bpf_batch "$lines"; then
		TO_MAKE=
		PENDING="$PENDING $*"
		HOOKED="$HOOKED $*"
		note_settings "$settings_line"
	else
		note_progress "$settings_line" "$@"
	fi
}

# note_progress SETTINGS_LINE DIRECTORY/OBJECT...: after a run of bpftool that failed, how far
# it came. Not 0 when the kernel refused one of them, or one of the maps.
note_progress() {
	! note_missing_map || return 1
	case $1:$BPF_SAID in
	?*:*"update failed: "*) die "cannot write the settings: $BPF_ERROR" ;;
	esac
	note_settings "$1"
	shift
	for queued; do
		has_word "$queued" "$PENDING" && continue
		if ! is_loaded "${queued%/*}" "${queued#*/}"; then
			deny "${queued#*/}"
			return 1
		fi
		PENDING="$PENDING $queued"
	done
	look
	for queued; do
		has_word "$queued" "$HOOKED" && continue
		if loose_hook "${queued%/*}" "${queued#*/}"; then
			refuse "${queued%/*}" "${queued#*/}"
			return 1
		fi
		HOOKED="$HOOKED $queued"
	done
}

# link_queue DIRECTORY/OBJECT...: attach their other programs, in one run of attach-tracing.
# Not 0 when the kernel refuses one.
link_queue() {
	links=
	for queued; do
		set_links "${queued%/*}" "${queued#*/}"
		links="$links$link_words"
	done
	# shellcheck disable=SC2086 # words
	[ -n "$links" ] && ! attach_tracing $links || return 0
	for queued; do
		set_links "${queued%/*}" "${queued#*/}"
		[ -n "$link_words" ] || continue
		refuse "${queued%/*}" "${queued#*/}"
		return 1
	done
}

# is_as_before DIRECTORY: what was tried in vain, as with a stranger's program in the way,
# came to what is attached already. Then the running programs stay.
is_as_before() {
	# Not when they are to go behind a stranger's.
	! has_word "$1" "$BEHIND" || return 1
	list directory "$1"
	for same_feature in $listed; do
		set_served "$same_feature"
		same_object=$served_object same_checksum=$served_checksum
		if find_line "$NEW_SERVED" "$same_feature"; then
			# shellcheck disable=SC2086 # words
			split $found
			[ "$same_object $same_checksum" = "$word2 $word3" ] || return 1
			is_attached "$1" "$same_object" || return 1
		else
			[ "$same_object" = - ] || return 1
		fi
	done
	programs_in "$1"
	for same_name in $listed; do
		[ -e "$PIN_DIR/${1}_new/$same_name" ] || return 1
	done
}

# What handle_sockops counts is left to it, once it does. The slots of cgroups are tidied
# by an iterator: without it none is given out. A run that sees to other directories alone
# writes none of it.
#
# set_plan_settings SETTLING: as set_settings, into $settings_line; 1 while attach.sh is at
# work.
set_plan_settings() {
	plan_events=0 plan_series=0
	is_off tcp_events || plan_events=1
	is_off by_cgroup || plan_series=$CGROUP_SERIES
	set_settings "$plan_series" "$CGROUP_LINGER" "$plan_events" "$1"
}

# apply_settings SETTLING: write them.
apply_settings() {
	[ -e "$PIN_DIR/maps/tcp_settings" ] || return 0
	set_plan_settings "$1"
	write_settings "$settings_line"
}

# drop_maps: those that nothing that is attached uses, as when the kernel refused what
# would have. A reader that finds no map knows that nothing is known.
drop_maps() {
	used_maps=
	for object in $LOADED; do
		set_object "$object"
		used_maps="$used_maps $object_maps"
	done
	for map in $KNOWN_MAPS; do
		case "$used_maps " in
		*" $map "*) ;;
		*) remove_pin "$PIN_DIR/maps/$map" ;;
		esac
	done
}

# commit: put everything that is staged in its place, and write down what serves what.
commit() {
	set_access
	# What has to be written once more when there is no way back.
	[ ! -e "$PIN_DIR/maps/tcp_settings" ] || may_override_modes ||
		die "permission denied to write $PIN_DIR/maps/tcp_settings: CAP_DAC_OVERRIDE is missing"
	disarm
	commit_maps
	# shellcheck disable=SC2086 # a list of names
	[ -z "$STAGED" ] || replace $STAGED
	carry_rest
	# Of what was tried in vain.
	[ ! -d "$PIN_DIR/links_new" ] || rmdir "$PIN_DIR/links_new"
	drop_maps
	remember served "${NEW_SERVED%"$NEWLINE"}"
	remember features "${NEW_FEATURES%"$NEWLINE"}"
	tell_before=$IFS
	IFS=$NEWLINE
	for line in $TO_TELL; do
		note "$line"
	done
	IFS=$tell_before
}

# is_served FEATURE: on or degraded, in this run so far.
is_served() {
	find_line "$NEW_FEATURES" "$1" || return 1
	case $found in
	"off "*) return 1 ;;
	esac
}

# is_off FEATURE: when nothing can be said of it yet it is not.
is_off() {
	find_line "$NEW_FEATURES" "$1" && [ "${found%% *}" = off ]
}

# why_not FEATURE: the reason for which it is off, into $reason.
why_not() {
	reason=
	! find_line "$NEW_FEATURES" "$1" || reason=${found#* * }
}

# count_features: all, and those that are degraded or off, into $all and $weak.
count_features() {
	all=0 weak=0
	count_before=$IFS
	IFS=$NEWLINE
	for line in $NEW_FEATURES; do
		all=$((all + 1))
		case $line in
		# A setting that leaves it out is a choice and no lack.
		*' on '*) ;;
		*' off '*'the setting '*' is 0') ;;
		*) weak=$((weak + 1)) ;;
		esac
	done
	IFS=$count_before
}

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
# Both are written whole, when all is attached. Needs objects.sh and those that it needs.

LOADED=       # objects that are attached, or will be when this run ends
STAGED=       # directories whose new programs are to take the place of the old ones
REFUSED=      # lines "KIND CAUSE": what this kernel refused in this run
FAILED=       # lines "OBJECT CAUSE": what could not be attached in this run
NEW_FEATURES= # lines of the two files, as this run will write them
NEW_SERVED=
TO_TELL= # what is not on, to be told when all is attached
BEHIND= # the directory whose programs go behind a stranger's

# --- conditions --------------------------------------------------------------

# The names that conditions ask the kernel's BTF for, and those of them that it has.
read_btf_names() {
	# shellcheck disable=SC2046 # names
	btf_patterns=$(printf -- '-e %s ' $(list btf))
	# shellcheck disable=SC2086 # options
	BTF_NAMES=$(grep -azox $btf_patterns /sys/kernel/btf/vmlinux | tr '\0' ' ')
}

# All sockets are below the root of the hierarchy, which is the cgroup with the number 1.
is_root_cgroup() {
	[ "$(stat -c %i "$CGROUP")" -eq 1 ]
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

# kind_of HOOK: what a kernel or a security module can refuse as a whole.
kind_of() {
	case $1 in
	fentry/* | fexit/* | tp_btf/* | raw_tp/* | tracepoint/*) echo "${1%%/*}" ;;
	*) echo "$1" ;;
	esac
}

# is_refused OBJECT: it has a program of a kind that was refused; why is in BPF_ERROR.
is_refused() {
	[ -n "$REFUSED" ] || return 1
	for refused_name in $(list programs "$1"); do
		set_how "$1" "$refused_name"
		if find_line "$REFUSED" "$(kind_of "$hook")"; then
			BPF_ERROR=$found
			return 0
		fi
	done
	return 1
}

# remember_refusal OBJECT: of bpftool's last answer. When not this program but its kind is
# not permitted, no other of that kind is tried.
remember_refusal() {
	case $BPF_SAID in
	*"Operation not permitted"*) ;;
	*) return 0 ;;
	esac
	refused_name=$(refused_program "$BPF_SAID")
	[ -n "$refused_name" ] || return 0
	set_how "$1" "$refused_name"
	REFUSED="$NEWLINE$(kind_of "$hook") $BPF_ERROR$REFUSED"
}

# --- what was served before --------------------------------------------------

# read_served: what the last run wrote down.
read_served() {
	SERVED=$NEWLINE$(cat "$RUN_DIR/served" 2>/dev/null || true)$NEWLINE
	FEATURES=$NEWLINE$(cat "$RUN_DIR/features" 2>/dev/null || true)$NEWLINE
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
	for attached_name in $(list programs "$2"); do
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
	case "$(rewriters_of "$1")$NEWLINE" in
	*" $CGROUP$NEWLINE"*)
		BEHIND=$1
		note "$1: attached anew, behind programs that may rewrite addresses"
		return 1
		;;
	esac
	for settled_feature in $(list directory "$1"); do
		is_settled_feature "$1" "$settled_feature" || return 1
	done
	for settled_name in $(programs_in "$1"); do
		case " $settled_programs " in
		*" $settled_name "*) ;;
		*) return 1 ;; # of another rung, or of an older build
		esac
	done
}

# A better rung than the one of the last run is tried, as far as loading it.
is_settled_feature() {
	# Of a run that was killed between the two files.
	find_line "$FEATURES" "$2" || return 1
	set_served "$2"
	for rung in $(list feature "$2"); do
		set_rung "$rung"
		holds "$rung_condition" || continue
		if [ "$rung_object" = "$served_object" ]; then
			set_object "$rung_object"
			[ "$checksum" = "$served_checksum" ] || return 1
			ensure_maps "$rung_object"
			is_attached "$1" "$rung_object" || return 1
			settled_programs="$settled_programs $(list programs "$rung_object")"
			return 0
		fi
		! is_refused "$rung_object" || continue
		if load "$1" "$rung_object"; then
			unload "$1" "$rung_object"
			return 1
		fi
		remember_refusal "$rung_object"
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

# try DIRECTORY OBJECT: load and attach it. Not 0 when the kernel refuses: see BPF_ERROR.
try() {
	if put_on "$1" "$2"; then
		LOADED="$LOADED $2"
	else
		FAILED="$FAILED$2 $BPF_ERROR$NEWLINE"
		return 1
	fi
}

put_on() {
	! is_refused "$2" || return 1
	if ! load "$1" "$2"; then
		remember_refusal "$2"
		return 1
	fi
	attach_object "$1" "$2" && return 0
	put_on_error=$BPF_ERROR
	unload "$1" "$2"
	BPF_ERROR=$put_on_error
	return 1
}

# has_program_of DIRECTORY OBJECT: another object has put one into DIRECTORY_new.
has_program_of() {
	for other_name in $(list programs "$2"); do
		[ ! -e "$PIN_DIR/${1}_new/$other_name" ] || return 0
	done
	return 1
}

# join_reasons TEXT...: those that are not empty, once each.
join_reasons() {
	joined=
	for text; do
		case "; $joined; " in
		*"; $text; "*) continue ;;
		esac
		[ -z "$text" ] || joined="$joined${joined:+; }$text"
	done
	printf '%s\n' "$joined"
}

# serve FEATURE: by the first rung that holds and that the kernel takes, else it is off.
# The reason tells of the best rung that was refused, and of the last one.
serve() {
	first=
	last=
	refused=
	first_hook=
	for rung in $(list feature "$1"); do
		set_rung "$rung"
		if ! holds "$rung_condition"; then
			case $rung_condition in
			*btf:*) ;; # for another kernel
			*) last=$unmet first_hook=${first_hook:-$rung_hook} ;;
			esac
			continue
		fi
		case "$rung_object $LOADED " in
		"- "* | *" $rung_object "*) ;;
		*)
			if has_program_of "${rung_pin%/*}" "$rung_object"; then
				# That does less, because this one was refused.
				! find_line "$FAILED" "$rung_object" || refused="$rung_hook: $found"
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
			feature "$1" "$rung_state" "$rung_hook" "$(join_reasons "$rung_reason" "$first")"
		fi
		return 0
	done
	feature "$1" off "${first_hook:--}" "$(join_reasons "${first:-$refused}" "$last")"
}

# keep DIRECTORY: it stays as it is, and what was written down of it.
keep() {
	for kept in $(list directory "$1"); do
		! find_line "$FEATURES" "$kept" || NEW_FEATURES="$NEW_FEATURES$kept $found$NEWLINE"
		! find_line "$SERVED" "$kept" || NEW_SERVED="$NEW_SERVED$kept $found$NEWLINE"
		set_served "$kept"
		[ "$served_object" = - ] || LOADED="$LOADED $served_object"
	done
}

# serve_directory DIRECTORY: each of its features.
serve_directory() {
	if [ -d "$PIN_DIR/$1" ] && is_settled "$1"; then
		keep "$1"
		return 0
	fi
	for served_feature in $(list directory "$1"); do
		serve "$served_feature"
	done
	if is_as_before "$1"; then
		discard_staged "$1"
	else
		STAGED="$STAGED $1"
	fi
}

# is_as_before DIRECTORY: what was tried in vain, as with a stranger's program in the way,
# came to what is attached already. Then the running programs stay.
is_as_before() {
	look
	# Not when they are to go behind a stranger's.
	[ "$BEHIND" != "$1" ] || return 1
	for same_feature in $(list directory "$1"); do
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
	for same_name in $(programs_in "$1"); do
		[ -e "$PIN_DIR/${1}_new/$same_name" ] || return 1
	done
}

# keep_other_features DIRECTORY: for a run that sees to DIRECTORY alone.
keep_other_features() {
	for kept_directory in $(list directories) -; do
		[ "$kept_directory" = "$1" ] || keep "$kept_directory"
	done
}

# prepare_maps DIRECTORY...: those of the first choices, all in one run of bpftool.
prepare_maps() {
	prepared=
	for prepared_directory; do
		for prepared_feature in $(list directory "$prepared_directory"); do
			for rung in $(list feature "$prepared_feature"); do
				set_rung "$rung"
				case $rung_condition in
				*btf:* | setting:*) holds "$rung_condition" || continue ;;
				esac
				prepared="$prepared $rung_object"
				break
			done
		done
	done
	# shellcheck disable=SC2086 # names
	ensure_maps $prepared
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
	set_access ''
	set_access _new
	# What has to be written once more when there is no way back.
	[ ! -e "$PIN_DIR/maps/tcp_settings" ] || [ -w "$PIN_DIR/maps/tcp_settings" ] ||
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

# why_not FEATURE: the reason for which it is off.
why_not() {
	find_line "$NEW_FEATURES" "$1" || return 0
	# shellcheck disable=SC2086 # words
	set -- $found
	shift 2
	printf '%s\n' "$*"
}

# count_features: all, and those that are degraded or off, into $all and $weak.
count_features() {
	all=0 weak=0
	count_before=$IFS
	IFS=$NEWLINE
	for line in $NEW_FEATURES; do
		all=$((all + 1))
		case $line in
		*' on '*) ;;
		*) weak=$((weak + 1)) ;;
		esac
	done
	IFS=$count_before
}

# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# objects.sh: load, attach, replace and take off one BPF object.
#
# An object's programs are pinned in PIN_DIR/OBJECT. A new build is loaded into
# OBJECT_new and attached beside the old one; then the directories change places
# by rename and the old programs are taken off. Whatever a killed run leaves
# behind is one of these names, and settle_object knows what to do with each.

# hook_of PROGRAM: bpftool's word for the cgroup hook, or "tracing".
hook_of() {
	case $1 in
	handle_sockops) echo sock_ops ;;
	handle_sendmsg4) echo sendmsg4 ;;
	handle_sendmsg6 | block_sendmsg6) echo sendmsg6 ;;
	block_connect6) echo connect6 ;;
	*) echo tracing ;;
	esac
}

# hook_shown HOOK: the word that "bpftool cgroup show" prints for it.
hook_shown() {
	case $1 in
	sock_ops) echo cgroup_sock_ops ;;
	sendmsg4) echo cgroup_udp4_sendmsg ;;
	sendmsg6) echo cgroup_udp6_sendmsg ;;
	connect6) echo cgroup_inet6_connect ;;
	esac
}

program_id() {
	bpftool prog show pinned "$1" 2>/dev/null | sed -n '1s/:.*//p'
}

# What makes two loaded programs the same: instructions and maps.
program_identity() {
	bpftool prog show pinned "$1" 2>/dev/null |
		sed -n -e '1s/^[0-9]*: \([a-z_]*\).*tag \([0-9a-f]*\).*/\1 \2/p' -e 's/.*map_ids \([0-9,]*\).*/\1/p'
}

# --- cgroup hooks ------------------------------------------------------------

is_attached() {
	attached_id=$(program_id "$2")
	[ -n "$attached_id" ] &&
		bpftool cgroup show "$CGROUP" 2>/dev/null | grep -q "^$attached_id  *$(hook_shown "$1") "
}

# Programs of the same hook without multi, here or above, shut ours out.
name_foreigners() {
	foreign_cgroup=$CGROUP
	while :; do
		bpftool cgroup show "$foreign_cgroup" 2>/dev/null |
			awk -v hook="$(hook_shown "$1")" -v cgroup="$foreign_cgroup" '
				$2 == hook && $3 != "multi" {
					printf "program %s (%s) is attached without multi to %s; ", $1, $NF, cgroup }'
		foreign_cgroup=${foreign_cgroup%/*}
		[ "$(file_system_of "$foreign_cgroup")" = cgroup2 ] || break
	done
}

attach_cgroup() {
	bpf cgroup attach "$CGROUP" "$1" pinned "$2" multi && return 0
	attach_error=$BPF_ERROR
	foreigners=$(name_foreigners "$1")
	[ -z "$foreigners" ] ||
		die "cannot attach ${2##*/} to $1: ${foreigners}detach it, or attach it with multi"
	die "cannot attach ${2##*/} to $1 of $CGROUP: $attach_error"
}

detach_cgroup() {
	if is_attached "$1" "$2"; then
		bpf cgroup detach "$CGROUP" "$1" pinned "$2" || die "cannot detach $2 from $CGROUP: $BPF_ERROR"
	fi
}

# --- objects -----------------------------------------------------------------

# Take off and unpin a directory of programs, by pinned path.
discard_programs() {
	[ -d "$1" ] || return 0
	for pin in "$1"/*; do
		[ -e "$pin" ] || continue
		hook=$(hook_of "${pin##*/}")
		# A tracing program goes with the pin of its link.
		[ "$hook" = tracing ] || detach_cgroup "$hook" "$pin"
	done
	run rm -r "$1"
}

# After a run that was killed: finish its renames, take off what is left over.
settle_object() {
	[ -d "$PIN_DIR/$1" ] || [ ! -d "$PIN_DIR/${1}_new" ] || mv "$PIN_DIR/${1}_new" "$PIN_DIR/$1"
	rm -f "$PIN_DIR"/links/*_new
	discard_programs "$PIN_DIR/${1}_new"
	discard_programs "$PIN_DIR/${1}_old"
}

# The objects that may be pinned, in the order in which they are attached.
ALL_OBJECTS="port_tracker ipv6_blocker tcp_monitor tcp_monitor_reset"

# Load FILE into PIN_DIR/OBJECT_new. Not 0 when the kernel refuses: see BPF_ERROR.
load_object() {
	undo discard_programs "$PIN_DIR/${1}_new"
	# shellcheck disable=SC2046 # words of our own making
	bpf prog loadall "$OBJECTS/$2.bpf.o" "$PIN_DIR/${1}_new" $(map_arguments "$2") && return 0
	# bpftool leaves an empty directory behind.
	discard_programs "$PIN_DIR/${1}_new"
	return 1
}

# True when PIN_DIR/OBJECT has the programs of OBJECT_new, each attached.
is_current() {
	for pin in "$PIN_DIR/${1}_new"/* "$PIN_DIR/$1"/*; do
		name=${pin##*/}
		[ "$(program_identity "$PIN_DIR/$1/$name")" = "$(program_identity "$PIN_DIR/${1}_new/$name")" ] ||
			return 1
		hook=$(hook_of "$name")
		if [ "$hook" = tracing ]; then
			[ -e "$PIN_DIR/links/$name" ] || return 1
		else
			is_attached "$hook" "$PIN_DIR/$1/$name" || return 1
		fi
	done
}

# Attach the programs of OBJECT_new beside those of OBJECT. Not 0 when the kernel
# refuses a tracing program: the reason is in BPF_ERROR.
attach_new() {
	for pin in "$PIN_DIR/${1}_new"/*; do
		name=${pin##*/}
		hook=$(hook_of "$name")
		if [ "$hook" != tracing ]; then
			attach_cgroup "$hook" "$pin"
			continue
		fi
		undo rm -f "$PIN_DIR/links/${name}_new"
		printf '+ attach-tracing %s %s\n' "$pin" "$PIN_DIR/links/${name}_new" >&2
		BPF_ERROR=$("$HELPERS/attach-tracing" "$pin" "$PIN_DIR/links/${name}_new" 2>&1) || return 1
	done
}

# Put OBJECT_new in the place of OBJECT and take the old programs off.
replace_object() {
	for pin in "$PIN_DIR/${1}_new"/*; do
		name=${pin##*/}
		# rename(2) drops the old link as it puts the new one in its place.
		[ ! -e "$PIN_DIR/links/${name}_new" ] || mv -f "$PIN_DIR/links/${name}_new" "$PIN_DIR/links/$name"
	done
	[ ! -d "$PIN_DIR/$1" ] || mv "$PIN_DIR/$1" "$PIN_DIR/${1}_old"
	mv "$PIN_DIR/${1}_new" "$PIN_DIR/$1"
	discard_programs "$PIN_DIR/${1}_old"
}

# stage OBJECT FILE: load FILE and attach it beside what runs. STAGED collects what
# commit_staged has to put in place. Not 0 when the kernel refuses: see BPF_ERROR.
STAGED=
stage() {
	load_object "$1" "$2" || return 1
	if is_current "$1"; then
		discard_programs "$PIN_DIR/${1}_new"
		return 0
	fi
	if ! attach_new "$1"; then
		rm -f "$PIN_DIR"/links/*_new
		discard_programs "$PIN_DIR/${1}_new"
		return 1
	fi
	STAGED="$STAGED $1"
}

# Everything is attached: from here on nothing can fail that undoing would help.
commit_staged() {
	disarm
	printf '%s\n' "$CGROUP" >"$RUN_DIR/cgroup"
	for object in $STAGED; do
		replace_object "$object"
	done
}

settle_objects() {
	for object in $ALL_OBJECTS; do
		settle_object "$object"
	done
}

# The cgroup of the attach, which the settings may not name any more.
use_recorded_cgroup() {
	if [ -f "$RUN_DIR/cgroup" ]; then
		read -r CGROUP <"$RUN_DIR/cgroup"
		[ -d "$CGROUP" ] || note "$CGROUP is gone, and what was attached to it"
	else
		find_cgroup
	fi
}

# Programs can't be taken off a cgroup that nobody remembers.
check_same_cgroup() {
	[ -f "$RUN_DIR/cgroup" ] || return 0
	read -r recorded_cgroup <"$RUN_DIR/cgroup"
	[ "$recorded_cgroup" = "$CGROUP" ] || [ ! -d "$recorded_cgroup" ] ||
		die "attached to $recorded_cgroup, and CGROUP is now $CGROUP: run detach.sh first"
}

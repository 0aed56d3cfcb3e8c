# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# objects.sh: load, attach, replace and take off one BPF object.
#
# An object's programs are pinned in PIN_DIR/OBJECT. A new build is loaded into
# OBJECT_new and attached beside the old one; then the directories change places
# by rename and the old programs are taken off. Whatever a killed run leaves
# behind is one of these names, and settle_object knows what to do with each.

# The objects, by the directory of their pins, in the order of attachment. The file
# of an object may be another variant of it: tcp_monitor_tp goes to tcp_monitor, and
# udp_connect_split or udp_connect_tp to udp_connect.
ALL_OBJECTS="port_tracker udp_connect ipv6_blocker tcp_monitor tcp_monitor_reset tcp_events
	tcp_live"
ALL_LINKS="on_set_state on_send_reset on_receive_reset on_listen on_v4_send_reset on_v6_send_reset
	on_udp_connect4 on_spare_udp4 on_udp_connect6 on_spare_udp6 on_exit_connect
	on_read_sockets on_read_older on_read_programs"

# bpftool's word for the cgroup hook of PROGRAM, or "tracing", into $hook; what
# "bpftool cgroup show" calls it into $hook_shown. Not 0 for a program not ours.
set_hook() {
	hook_shown=
	case $1 in
	handle_sockops | on_tcp_event) hook=sock_ops hook_shown=cgroup_sock_ops ;;
	handle_sendmsg4) hook=sendmsg4 hook_shown=cgroup_udp4_sendmsg ;;
	handle_sendmsg6 | block_sendmsg6) hook=sendmsg6 hook_shown=cgroup_udp6_sendmsg ;;
	block_sock_create) hook=sock_create hook_shown=cgroup_inet_sock_create ;;
	block_connect6) hook=connect6 hook_shown=cgroup_inet6_connect ;;
	on_*)
		hook=tracing
		for known_link in $ALL_LINKS; do
			[ "$known_link" != "$1" ] || return 0
		done
		return 1
		;;
	*) return 1 ;;
	esac
}

# --- cgroup hooks ------------------------------------------------------------

# is_attached PIN: to CGROUP; to set_hook's hook. 1 when it is not, 2 when it can't be told.
# Not by "bpftool cgroup show": without CAP_SYS_ADMIN, as in a container, it shows
# nothing, and what is there would be attached twice.
is_attached() {
	attached_program=$(bpftool prog show pinned "$1" 2>/dev/null) || return 2
	attached_rc=0
	attached_list=$("$HELPERS/cgroup-programs" "$CGROUP" 2>/dev/null) || attached_rc=$?
	case $attached_rc in
	0) ;;
	1) return 1 ;; # no such cgroup any more
	*) return 2 ;;
	esac
	case "
$attached_list" in
	*"
${attached_program%%:*} "*) ;;
	*) return 1 ;;
	esac
}

# Programs of the same hook without multi, here or above, shut ours out.
name_foreigners() {
	foreign_cgroup=$CGROUP
	while :; do
		bpftool cgroup show "$foreign_cgroup" 2>/dev/null |
			awk -v hook="$hook_shown" -v cgroup="$foreign_cgroup" '
				$2 == hook && $3 != "multi" {
					printf "program %s (%s) is attached without multi to %s; ", $1, $NF, cgroup }'
		foreign_cgroup=${foreign_cgroup%/*}
		[ "$(file_system_of "$foreign_cgroup")" = cgroup2 ] || break
	done
}

attach_cgroup() {
	bpf cgroup attach "$CGROUP" "$hook" pinned "$1" multi && return 0
	attach_error=$BPF_ERROR
	foreigners=$(name_foreigners)
	[ -z "$foreigners" ] ||
		die "cannot attach ${1##*/} to $hook: ${foreigners}detach it, or attach it with multi"
	die "cannot attach ${1##*/} to $hook of $CGROUP: $attach_error"
}

# Never asked of the kernel for a program that is not there: from a cgroup with a
# program attached without multi it takes that one off, whichever is named. Where it
# can't be told, the pin has to stay: without it nobody could take the program off.
detach_cgroup() {
	[ -d "$CGROUP" ] || return 0
	rc=0
	is_attached "$1" || rc=$?
	case $rc in
	1) return 0 ;;
	2) die "cannot tell whether $1 is attached to $CGROUP" ;;
	esac
	bpf cgroup detach "$CGROUP" "$hook" pinned "$1" || die "cannot detach $1 from $CGROUP: $BPF_ERROR"
}

# --- objects -----------------------------------------------------------------

# Take off and unpin a directory of programs, by pinned path. What is not ours stays
# where it is, and the directory with it.
discard_programs() {
	[ -d "$1" ] || return 0
	discarded=
	for pin in "$1"/*; do
		[ -e "$pin" ] || continue
		set_hook "${pin##*/}" || continue
		# A tracing program goes with the pin of its link.
		[ "$hook" = tracing ] || detach_cgroup "$pin"
		discarded="$discarded $pin"
	done
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$discarded" ] || run rm $discarded
	rmdir "$1" 2>/dev/null || note "$1 is left: not ours is $(echo "$1"/*)"
}

# The links of OBJECT_new that are not in their place yet.
discard_new_links() {
	for pin in "$PIN_DIR/${1}_new"/*; do
		remove_pin "$PIN_DIR/links/${pin##*/}_new"
	done
}

remove_pin() {
	[ ! -e "$1" ] || run rm "$1"
}

# After a run that was killed: finish its renames, take off what is left over.
settle_object() {
	[ -d "$PIN_DIR/$1" ] || [ ! -d "$PIN_DIR/${1}_new" ] || mv "$PIN_DIR/${1}_new" "$PIN_DIR/$1"
	discard_programs "$PIN_DIR/${1}_new"
	discard_programs "$PIN_DIR/${1}_old"
}

# Load FILE into PIN_DIR/OBJECT_new. Not 0 when the kernel refuses: see BPF_ERROR.
load_object() {
	undo discard_programs "$PIN_DIR/${1}_new"
	set_map_arguments "$2"
	# shellcheck disable=SC2086,SC2154 # words, set by pins.sh
	bpf prog loadall "$OBJECTS/$2.bpf.o" "$PIN_DIR/${1}_new" $map_arguments && return 0
	# bpftool leaves an empty directory behind.
	discard_programs "$PIN_DIR/${1}_new"
	return 1
}

# is_current OBJECT: its pinned programs are those of OBJECT_new, instructions and
# maps, and each is attached.
is_current() {
	[ -d "$PIN_DIR/$1" ] || return 1
	for pin in "$PIN_DIR/${1}_new"/* "$PIN_DIR/$1"/*; do
		name=${pin##*/}
		[ -e "$PIN_DIR/$1/$name" ] && [ -e "$PIN_DIR/${1}_new/$name" ] || return 1
	done
	{
		"$HELPERS/cgroup-programs" "$CGROUP" 2>/dev/null
		for pin in "$PIN_DIR/$1"/* "$PIN_DIR/${1}_new"/*; do
			echo "prog show pinned $pin"
		done | bpftool batch file - 2>/dev/null
		for pin in "$PIN_DIR/$1"/*; do
			link=$PIN_DIR/links/${pin##*/}
			[ -e "$link" ] || continue
			# Not in a batch, which ends at the first error: without CAP_SYS_ADMIN each
			# has its line, or the beginning of it, and then one.
			bpftool link show pinned "$link" 2>/dev/null || true
			echo
		done
	} | awk '
		$2 ~ /^cgroup_/ && $1 !~ /:/ { attached[$1] = 1; next }
		/^[0-9]+: .* tag / { same[++n] = $2 " " $4 " " $6; id[n] = $1 + 0; next }
		/^[0-9]+: .*  prog / { sub(/.*  prog /, ""); attached[$1] = 1; next }
		/map_ids/ { sub(/.*map_ids /, ""); same[n] = same[n] " " $1 }
		END {
			for (i = 1; i <= n / 2; i++)
				if (same[i] != same[n / 2 + i] || !(id[i] in attached))
					exit 1
			exit n == 0
		}'
}

attach_tracing() {
	printf '+ attach-tracing %s\n' "$*" >&2
	BPF_ERROR=$("$HELPERS/attach-tracing" "$@" 2>&1)
}

# Attach the programs of OBJECT_new beside those of OBJECT. Not 0 when the kernel
# refuses a tracing program: the reason is in BPF_ERROR.
attach_new() {
	for pin in "$PIN_DIR/${1}_new"/*; do
		name=${pin##*/}
		set_hook "$name"
		if [ "$hook" != tracing ]; then
			attach_cgroup "$pin"
			continue
		fi
		link=$PIN_DIR/links/${name}_new
		undo rm -f "$link"
		case $name in
		# The others carry the name of the place they are for.
		on_exit_connect) attach_tracing --tracepoint syscalls/sys_exit_connect "$pin" "$link" ;;
		on_read_*) attach_tracing --iterator "$pin" "$link" ;;
		*) attach_tracing "$pin" "$link" ;;
		esac || return 1
	done
	# Before they take the place of the old ones, which are being read.
	[ "$1" != tcp_live ] || open_iterators _new
}

# Put OBJECT_new in the place of OBJECT and take the old programs off.
replace_object() {
	for pin in "$PIN_DIR/${1}_new"/*; do
		name=${pin##*/}
		set_hook "$name"
		[ "$hook" = tracing ] || continue
		# rename(2) drops the old link as it puts the new one in its place.
		mv -f "$PIN_DIR/links/${name}_new" "$PIN_DIR/links/$name"
	done
	[ ! -d "$PIN_DIR/$1" ] || mv "$PIN_DIR/$1" "$PIN_DIR/${1}_old"
	# Another variant may have programs of other names.
	for pin in "$PIN_DIR/${1}_old"/*; do
		[ -e "$PIN_DIR/${1}_new/${pin##*/}" ] || remove_pin "$PIN_DIR/links/${pin##*/}"
	done
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
		discard_new_links "$1"
		discard_programs "$PIN_DIR/${1}_new"
		return 1
	fi
	STAGED="$STAGED $1"
}

# Everything is attached: from here on nothing can fail that undoing would help.
commit_staged() {
	disarm
	commit_maps
	for object in $STAGED; do
		replace_object "$object"
	done
}

settle_objects() {
	for name in $ALL_MAPS; do
		remove_pin "$PIN_DIR/maps/${name}_new"
	done
	for name in $ALL_LINKS; do
		remove_pin "$PIN_DIR/links/${name}_new"
	done
	for object in $ALL_OBJECTS; do
		settle_object "$object"
	done
}

# The cgroup of the attach, which the settings may not name any more.
use_recorded_cgroup() {
	if recall cgroup; then
		# shellcheck disable=SC2154 # lib.sh sets it
		CGROUP=$recalled
		[ -d "$CGROUP" ] || note "$CGROUP is gone, and what was attached to it"
	else
		find_cgroup
	fi
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

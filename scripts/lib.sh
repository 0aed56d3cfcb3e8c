# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# lib.sh: what each script needs: messages, run, the lock, the undo list, paths.
# Sourced with ROOT set to the directory above scripts/. Needs config.sh for RUN_DIR: the lock,
# remember, recall and forget.

umask 022 # what is put in RUN_DIR is for others to read

# shellcheck disable=SC2034 # for scripts that source this
NEWLINE='
'

PROGRAM=${0##*/}
# The commands are what messages tell the user to run, as helpers/lib/directories.c does.
# shellcheck disable=SC2034 # for scripts that source this
if [ -d "$ROOT/.output/bpf" ]; then
	OBJECTS=$ROOT/.output/bpf
	ATTACH_COMMAND=scripts/attach.sh DETACH_COMMAND=scripts/detach.sh STATUS_COMMAND=scripts/status.sh
	SERVE_COMMAND=scripts/serve.sh BLOCK_COMMAND=scripts/ipv6-block.sh
else # installed
	OBJECTS=$ROOT/bpf
	ATTACH_COMMAND="connpin attach" DETACH_COMMAND="connpin detach" STATUS_COMMAND="connpin status"
	SERVE_COMMAND="connpin serve" BLOCK_COMMAND="connpin block-ipv6"
fi
HELPERS=$ROOT/helpers
STATUS_DEGRADED=1
STATUS_MISUSE=2
STATUS_UNAVAILABLE=3
export ROOT OBJECTS HELPERS STATUS_DEGRADED STATUS_MISUSE STATUS_UNAVAILABLE

# Who reads may have gone, as "attach.sh 2>&1 | head" has: that is no reason to stop.
note() {
	printf '%s: %s\n' "$PROGRAM" "$*" >&2 || true
}

# die [-STATUS] MESSAGE...: one line on stderr and out, with 3 when none is given.
die() {
	die_status=$STATUS_UNAVAILABLE
	case $1 in
	-[0-9]) die_status=${1#-} && shift ;;
	esac
	note "$*"
	exit "$die_status"
}

# Show a command that changes the system.
echo_command() {
	printf '+ %s\n' "$*" >&2 || true
}

# Show it, then do it.
run() {
	echo_command "$@"
	"$@"
}

# answer_help "$@": -h prints usage, a function of the script, on stdout.
answer_help() {
	case ${1-} in
	-h | --help) usage && exit 0 ;;
	-V | --version) "$HELPERS/conn-lookup" --version | sed "s/^[^ ]*/$PROGRAM/" && exit 0 ;;
	esac
}

misuse() {
	note "$*"
	usage >&2
	exit "$STATUS_MISUSE"
}

need_root() {
	# The effective user, as "id -u" tells.
	while read -r root_name _ root_value _; do
		[ "$root_name" != Uid: ] || break
	done </proc/self/status
	[ "$root_value" -eq 0 ] || die "not root: run it as root (sudo $0)"
}

need_commands() {
	for need_command; do
		command -v "$need_command" >/dev/null 2>&1 ||
			die "the command $need_command is missing: install it first"
	done
}

need_built() {
	[ -f "$OBJECTS/inventory" ] || die "nothing is built: run make first"
}

# Only one script at a time may change what is attached. The lock goes with the
# process, whatever ends it. Only root can open the file, or any user could lock it.
LOCK_SECONDS=${LOCK_SECONDS-60}

take_lock() {
	trap '' PIPE # see note()
	[ -d "$RUN_DIR" ] || mkdir -p "$RUN_DIR" || die "cannot make $RUN_DIR"
	lock=$RUN_DIR/attach.lock
	umask 077
	# Of a special builtin, as ":" or exec, a redirection that fails would end the shell.
	{ true >>"$lock"; } 2>/dev/null || die "cannot write $lock"
	umask 022
	exec 9<>"$lock"
	if ! flock -n 9; then
		holder=
		read -r holder <"$lock" || true
		# Its writer may have ended, and something else hold the lock.
		[ "$(readlink "/proc/${holder:-0}/fd/9" || true)" = "$(readlink -f "$lock")" ] || holder=
		note "another connpin script is at work (process ${holder:-unknown}): waiting for it"
		flock -w "$LOCK_SECONDS" 9 ||
			die "process ${holder:-unknown} holds $lock for more than $LOCK_SECONDS s: end it, then run this again"
	fi
	{ printf '%-10s\n' "$$" >"$lock"; } 2>/dev/null || die "cannot write $lock"
}

# Facts for a later run, a file each in RUN_DIR, whole or not there at all.
remember() {
	if ! { printf '%s\n' "$2" >"$RUN_DIR/$1.new"; } 2>/dev/null || ! mv "$RUN_DIR/$1.new" "$RUN_DIR/$1"; then
		die "cannot write $RUN_DIR/$1"
	fi
}

# recall NAME: into $recalled; not 0 when there is nothing.
recall() {
	[ -f "$RUN_DIR/$1" ] && IFS= read -r recalled <"$RUN_DIR/$1" && [ -n "$recalled" ]
}

# forget NAME...
forget() {
	forget_files=
	for forget_name; do
		[ ! -e "$RUN_DIR/$forget_name" ] || forget_files="$forget_files $RUN_DIR/$forget_name"
	done
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$forget_files" ] || rm -f $forget_files
}

# read_file PATH: its lines, into $file_text; nothing when there is none.
read_file() {
	file_text=
	[ -r "$1" ] || return 0
	while IFS= read -r file_line || [ -n "$file_line" ]; do
		file_text="$file_text$file_line
"
	done <"$1"
}

# The undo list: "undo WORD..." puts a command on top; when the script ends before
# "disarm", the commands are run from the top down. Words hold no white space.
UNDO_LIST=

undo() {
	UNDO_LIST="$*
$UNDO_LIST"
}

disarm() {
	UNDO_LIST=
}

run_undo_list() {
	[ -n "$UNDO_LIST" ] || return 0
	note "undoing what this run did"
	undo_todo=$UNDO_LIST
	UNDO_LIST=
	printf '%s' "$undo_todo" | while read -r undo_line; do
		# shellcheck disable=SC2086 # words, as they were put in
		($undo_line) || note "could not undo: $undo_line"
	done
}

arm_undo() {
	trap 'run_undo_list' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

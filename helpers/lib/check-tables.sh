#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-tables.sh: compare what stands in two places: the settings (settings.c) with
# etc/connpin.conf and its manual, the fields of an answer (answer.c) and of a socket
# (other_sockets.c) with the manuals of the helpers that print them, the long names of BPF
# programs (metrics_programs.c) with those that the objects have, and the capacities that
# bpf/table names with those that set_entries (scripts/pins.sh) knows.
#
# The build runs it, and stops when one of them lacks something.
set -eu

usage() {
	cat <<-END
		usage: check-tables.sh READ-SETTINGS INVENTORY

		Say what is missing where. READ-SETTINGS is that helper, and INVENTORY the file
		of that name, as built.

		Exit status: 0 all agree, 1 something differs, 2 misuse.
	END
}

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
CONF=etc/connpin.conf
CONF_MANUAL=etc/connpin.conf.5
FIELDS=helpers/lib/answer.c
SOCKET_FIELDS=helpers/lib/other_sockets.c
PROGRAMS=helpers/lib/metrics_programs.c
TABLE=bpf/table
CAPACITIES=scripts/pins.sh

differs=

# compare TITLE FIRST SECOND: two texts of which the first is right.
compare() {
	[ "$2" != "$3" ] || return 0
	differs=yes
	if [ "$(printf '%s\n' "$2" | sort)" = "$(printf '%s\n' "$3" | sort)" ]; then
		echo "$1: not in the order of the table, which is:" >&2
		printf '%s\n' "$2" >&2
		return 0
	fi
	echo "$1:" >&2
	printf '%s\n' "$2" >"$work/table"
	printf '%s\n' "$3" >"$work/file"
	diff "$work/table" "$work/file" | sed -n 's/^</missing:/p; s/^>/not in the table:/p' >&2
}

# --- settings ----------------------------------------------------------------

# The commented assignments: each setting with its default, in the order of the table.
check_conf() {
	defaults=$(env -i "$1" | sed 's/:0=/=/')
	compare "$CONF, lines #NAME=DEFAULT" "$defaults" "$(sed -n 's/^#\([A-Z0-9_]*=\)/\1/p' "$CONF")"
}

# conf_text NAME: the comment above the setting, on one line.
conf_text() {
	awk -v name="$1" '
		/^$/ { text = "" }
		/^# / { text = text substr($0, 2) }
		index($0, "#" name "=") == 1 { print text; exit }' "$CONF"
}

# manual_text NAME: what the manual says about it, on one line and without macros.
manual_text() {
	awk -v name="$1" '
		/^\.(It|El)/ { is_wanted = 0 }
		/^\.It Va / { gsub(",", " "); for (i = 3; i <= NF; i++) if ($i == name) is_wanted = 1; next }
		is_wanted { sub(/^\.[A-Z][a-z] /, ""); text = text " " $0 }
		END { print text " " }' "$CONF_MANUAL"
}

# tells FILE NAME TEXT WORDS: TEXT, which FILE has about a setting, must have the WORDS.
tells() {
	case " $3 " in
	*" $4"[\ .,\;]*) ;;
	*)
		echo "$1: nothing about $2 says $4" >&2
		differs=yes
		;;
	esac
}

check_settings() {
	check_conf "$1"
	in_manual=$(sed -n 's/^\.It Va //p' "$CONF_MANUAL" | tr -d ' ' | tr ',' '\n')
	compare "$CONF_MANUAL, lines .It Va NAME" "$("$1" --table | cut -f 1)" "$in_manual"
	"$1" --table >"$work/settings"
	while IFS= read -r row; do
		name=$(printf '%s\n' "$row" | cut -f 1)
		default=$(printf '%s\n' "$row" | cut -f 2)
		range=$(printf '%s\n' "$row" | cut -f 3)
		# Of one that is missing, that has been said.
		if printf '%s\n' "$in_manual" | grep -qx "$name"; then
			text=$(manual_text "$name")
			[ -z "$default" ] || tells "$CONF_MANUAL" "$name" "$text" "$default"
			[ -z "$range" ] || tells "$CONF_MANUAL" "$name" "$text" "$range"
		fi
		[ -z "$range" ] || ! grep -q "^#$name=" "$CONF" ||
			tells "$CONF" "$name" "$(conf_text "$name")" "$range"
	done <"$work/settings"
}

# --- fields ------------------------------------------------------------------

# manual_fields MANUAL [WORDS]: the names in the list behind the comment "the fields WORDS".
manual_fields() {
	awk -v words="the fields${2+ $2}," '
		/^\.\\" / && index($0, words) { is_list = 1 }
		is_list && /^\.It Cm / { gsub(",", " "); for (i = 3; i <= NF; i++) print $i }
		is_list && /^\.El/ { exit }' "$1" | sort
}

check_fields() {
	all=$(sed -nE 's/^	(FIELD|LISTED)\("([a-z_]*)",.*/\2/p' "$FIELDS" | sort)
	listed=$(sed -nE 's/^	LISTED\("([a-z_]*)",.*/\1/p' "$FIELDS" | sort)
	compare helpers/conn-lookup.1 "$all" "$(manual_fields helpers/conn-lookup.1)"
	compare helpers/conn-list.1 "$listed" "$(manual_fields helpers/conn-list.1)"
	compare helpers/conn-list.1 "$(sed -nE 's/^	SOCKET\("([a-z_]*)",.*/\1/p' "$SOCKET_FIELDS" | sort)" \
		"$(manual_fields helpers/conn-list.1 'of sockets')"
}

# --- programs ----------------------------------------------------------------

# The kernel cuts a name behind 15 bytes, so those that are longer are in a table.
check_programs() {
	compare "$PROGRAMS, long_names[], programs whose names have more than 15 bytes" "$(sed -nE "s/^	'known ([a-z0-9_]{16,})'\).*/\1/p" "$1" | sort)" \
		"$(sed -n '/^static.*long_names/,/^};/p' "$PROGRAMS" | grep -o '"[^"]*"' | tr -d '"' | sort)"
}

# --- capacities ----------------------------------------------------------------

# Those of maps, and the settings that conditions of rungs ask for.
check_capacities() {
	known=$(sed -n '/^set_entries() {/,/^}/s/^	\([A-Za-z0-9_]*\)).*/\1/p' "$CAPACITIES")
	named=$(awk '$1 == "map" && $5 != "-" { print $5 }
		$1 == "rung" && sub(/^setting:/, "", $6) { sub(/[+].*/, "", $6); print $6 }' "$TABLE" | sort -u)
	for capacity in $named; do
		printf '%s\n' "$known" | grep -qx "$capacity" || {
			echo "$CAPACITIES, set_entries: missing: $capacity, which $TABLE names" >&2
			differs=yes
		}
	done
}

main() {
	case ${1-} in
	-h | --help) usage && exit 0 ;;
	esac
	[ $# -eq 2 ] || {
		usage >&2
		exit 2
	}
	read_settings=$(readlink -f "$1")
	inventory=$(readlink -f "$2")
	cd "$ROOT"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	check_settings "$read_settings"
	check_fields
	check_programs "$inventory"
	check_capacities
	[ -z "$differs" ]
}

main "$@"

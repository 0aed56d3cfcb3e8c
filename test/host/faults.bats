#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# attach.sh and detach.sh cut off after one of their commands, and with one of their
# commands failing: the next run puts it right, and nothing is left behind. Every seventh
# command; "make soak" takes each (STRIDE=1).

load ../helper

STRIDE=${STRIDE-7}

# What the scripts run that changes something, or that tells them what to change.
STEPS="bpftool rm mv mkdir rmdir chmod chgrp mount umount flock stat"

setup() {
	BEFORE=$(inventory_before)
	mkdir "$BATS_TEST_TMPDIR/bin"
	for name in $STEPS; do
		wrap "$name" "$(command -v "$name")" "$BATS_TEST_TMPDIR/bin/$name"
	done
	# The same tree, with the helpers wrapped that the scripts do not find by PATH.
	WRAPPED=$BATS_TEST_TMPDIR/tree
	mkdir -p "$WRAPPED/.output"
	cp -a "$TREE/scripts" "$TREE/etc" "$TREE/helpers" "$WRAPPED"
	ln -s "$TREE/.output/bpf" "$WRAPPED/.output/bpf"
	for name in attach-tracing move-pins; do
		rm "$WRAPPED/helpers/$name"
		wrap "$name" "$HELPERS/$name" "$WRAPPED/helpers/$name"
	done
	export COUNT=$BATS_TEST_TMPDIR/count
}

teardown() {
	detach
	unchanged_since "$BEFORE"
}

# wrap NAME REAL PATH: a command that at step AT fails without doing anything, or does
# its work and then kills the script with all that it started. Each line that bpftool is
# given is a step of its own.
wrap() {
	cat >"$3" <<-END
		#!/bin/sh
		step() {
			read -r n <"\$COUNT"
			n=\$((n + 1))
			echo \$n >"\$COUNT"
			[ \$n -eq \$AT ] && echo "step \$n: $1 \$*" >"\$COUNT.step"
		}
		if [ "$1 \$1" = "bpftool batch" ]; then
			lines=
			while read -r line; do
				before=\$lines
				lines="\$lines\$line
		"
				step "\$line" || continue
				[ \$MODE = kill ] || lines=\$before
				printf '%s' "\$lines" | $2 "\$@"
				[ \$MODE = kill ] || exit 1
				kill -9 0
			done
			printf '%s' "\$lines" | $2 "\$@"
			exit
		fi
		# To be killed after one that only looks is to be killed after the one before.
		case "\$MODE \$0 \$1 \$2" in
		kill*/bpftool*show* | kill*/stat* | kill*/flock*) exec $2 "\$@" ;;
		esac
		step "\$@" || exec $2 "\$@"
		[ \$MODE = kill ] || exit 1
		$2 "\$@"
		kill -9 0
	END
	chmod +x "$3"
}

# at_step N MODE SCRIPT: not 0 when the script has fewer steps than N.
at_step() {
	echo 0 >"$COUNT"
	RC=0
	AT=$1 MODE=$2 PATH="$BATS_TEST_TMPDIR/bin:$PATH" setsid -w "$WRAPPED/scripts/$3" \
		>"$BATS_TEST_TMPDIR/said" 2>&1 3>&- </dev/null || RC=$?
	read -r counted <"$COUNT"
	[ "$counted" -ge "$1" ]
}

show_step() {
	cat "$COUNT.step"
	tail -n 5 "$BATS_TEST_TMPDIR/said"
}

each_step_of_attach() {
	local at=1
	attach
	after_one=$(bpf_inventory)
	detach
	while at_step "$at" "$1" attach.sh; do
		show_step >"$BATS_TEST_TMPDIR/step"
		[ "$1" = fail ] || [ "$RC" -eq 137 ] || { cat "$BATS_TEST_TMPDIR/step" && return 1; }
		attach || { cat "$BATS_TEST_TMPDIR/step" && return 1; }
		unchanged_since "$after_one" || { cat "$BATS_TEST_TMPDIR/step" && return 1; }
		detach
		unchanged_since "$BEFORE" || { cat "$BATS_TEST_TMPDIR/step" && return 1; }
		at=$((at + STRIDE))
		[ "$at" -lt 300 ]
	done
	echo "$counted steps"
	[ "$RC" -eq 0 ]
	[ "$counted" -gt 20 ]
}

each_step_of_detach() {
	local at=1
	while attach && at_step "$at" "$1" detach.sh; do
		show_step >"$BATS_TEST_TMPDIR/step"
		detach
		unchanged_since "$BEFORE" || { cat "$BATS_TEST_TMPDIR/step" && return 1; }
		at=$((at + STRIDE))
		[ "$at" -lt 300 ]
	done
	echo "$counted steps"
	[ "$RC" -eq 0 ]
	[ "$counted" -gt 10 ]
}

@test "attach.sh (killed after its commands in turn) is put right by the next run" {
	each_step_of_attach kill
}

@test "attach.sh (its commands fail in turn) undoes or mends, and the next run attaches" {
	each_step_of_attach fail
}

@test "detach.sh (killed after its commands in turn) is finished by the next run" {
	each_step_of_detach kill
}

@test "detach.sh (its commands fail in turn) leaves nothing that the next run can't find" {
	each_step_of_detach fail
}

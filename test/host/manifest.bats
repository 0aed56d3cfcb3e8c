#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The Kubernetes manifest, by the schemas of the API and by what it must not ask for.

load ../helper

MANIFEST=$TREE/etc/kubernetes/connpin.yaml
export NODE_TOOLS=$TREE/.output/tools/node

check() {
	node "$TREE/test/host/manifest.mjs" "$1"
}

@test "connpin.yaml fits the schemas of Kubernetes" {
	run -0 check "$MANIFEST"
	[[ $output = *'checked DaemonSet'* ]]
}

@test "the check of the manifest (something wrong) finds it" {
	changed() {
		sed "$1" "$MANIFEST" >"$BATS_TEST_TMPDIR/changed.yaml"
		run ! cmp -s "$MANIFEST" "$BATS_TEST_TMPDIR/changed.yaml"
		run -1 check "$BATS_TEST_TMPDIR/changed.yaml"
	}
	changed 's/hostPort: 9090/hostPort: all/'
	changed 's/runAsNonRoot/runAsNonroot/'
	changed 's/mountPath/mountpath/'
	changed 's/^  selector:/  selectors:/'
	changed 's/^      hostPID: true/&\n      hostPID: false/'
}

@test "connpin.yaml asks for nothing privileged, and for no CAP_SYS_ADMIN" {
	no_line 'privileged: true|SYS_ADMIN|allowPrivilegeEscalation: true' cat "$MANIFEST"
	[ "$(grep -c 'drop: \[ALL\]' "$MANIFEST")" -eq "$(grep -c '^ *image:' "$MANIFEST")" ]
}

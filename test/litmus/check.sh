#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check.sh: what the order of memory may do to the identity table, by the models of BPF and
# of arm64 that herd7 has: each *.litmus here says "Expected: Never" or "Sometimes".
#
# An emulator on x86 shows none of this. BPF's model is what any processor must keep to that
# the kernel compiles BPF for; two of them are in arm64's instructions. Those that expect
# "Sometimes" show that the model would find what the barriers are for.
#
# herd7 is herdtools7 of Debian's unstable suite: fetched, not installed, where there is none.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
# shellcheck source=test/vm/suite.sh
. "$ROOT/test/vm/suite.sh"
HERD=$ROOT/.output/tools/herd

die() {
	printf 'check.sh: %s\n' "$*" >&2
	exit 1
}

fetch_herd() {
	mkdir -p "$HERD"
	use_suite sid amd64 "$HERD/apt"
	# With its own C library: unstable's is newer than a host's.
	(cd "$HERD" && apt-get -q download herdtools7 libc6 libgmp10) >"$HERD/log" 2>&1 ||
		die "cannot download herdtools7: see $HERD/log"
	for deb in "$HERD"/*.deb; do
		dpkg-deb -x "$deb" "$HERD/root"
	done
	rm -rf "$HERD/apt" "$HERD"/*.deb
}

herd() {
	if command -v herd7 >/dev/null; then
		herd7 "$@"
	else
		"$HERD"/root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 \
			--library-path "$HERD/root/usr/lib/x86_64-linux-gnu" \
			"$HERD/root/usr/bin/herd7" -set-libdir "$HERD/root/usr/share/herdtools7/herd" "$@"
	fi
}

main() {
	command -v herd7 >/dev/null || [ -d "$HERD/root" ] || fetch_herd
	rc=0
	for file in "$ROOT"/test/litmus/*.litmus; do
		expected=$(sed -n 's/.*Expected: \([A-Za-z]*\)".*/\1/p' "$file")
		found=$(herd "$file" | sed -n 's/^Observation [^ ]* \([A-Za-z]*\) .*/\1/p')
		printf '%-16s %s\n' "$(basename "$file" .litmus)" "${found:-no answer}"
		if [ -z "$expected" ] || [ "$found" != "$expected" ]; then
			printf 'check.sh: expected of it: %s\n' "${expected:-nothing}" >&2
			rc=1
		fi
	done
	return $rc
}

main

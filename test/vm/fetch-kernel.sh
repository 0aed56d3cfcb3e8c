#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetch the newest kernel package of one line and unpack it.
#
# usage: fetch-kernel.sh 6.1|6.12 DIR
# Leaves DIR/vmlinuz, DIR/lib/modules and DIR/version; does nothing when they
# are there already.
set -eu

die() {
	printf 'fetch-kernel.sh: %s\n' "$*" >&2
	exit 1
}

# Debian 12 names its own line linux-image-6.1.0-N-cloud-amd64 and the backported
# ones linux-image-6.12.N+deb12-cloud-amd64.
newest() {
	case $1 in
	6.1) pattern='^linux-image-6\.1\.0-[0-9]+-cloud-amd64$' ;;
	6.12) pattern='^linux-image-6\.12\.[0-9]+\+deb12-cloud-amd64$' ;;
	*) die "no such kernel line '$1': 6.1 or 6.12" ;;
	esac
	apt-cache pkgnames | grep -E "$pattern" | sort -V | tail -n 1
}

main() {
	[ $# -eq 2 ] || die "usage: fetch-kernel.sh 6.1|6.12 DIR"
	line=$1
	dir=$2
	[ ! -f "$dir/version" ] || return 0
	package=$(newest "$line")
	[ -n "$package" ] || die "no package of the $line line: run apt-get update, then again"
	mkdir -p "$dir"
	rm -rf "$dir/deb"
	mkdir "$dir/deb"
	# The sandbox user of apt may not be able to write here; that is only a warning.
	(cd "$dir/deb" && apt-get -q download "$package" 2>&1) >"$dir/download.log" ||
		die "cannot download $package: see $dir/download.log"
	dpkg-deb -x "$dir"/deb/*.deb "$dir/deb/root"
	cp "$dir"/deb/root/boot/vmlinuz-* "$dir/vmlinuz"
	rm -rf "${dir:?}/lib"
	if [ -d "$dir/deb/root/usr/lib/modules" ]; then
		mkdir -p "$dir/lib"
		mv "$dir/deb/root/usr/lib/modules" "$dir/lib/modules"
	else
		mv "$dir/deb/root/lib" "$dir/lib"
	fi
	rm -rf "$dir/deb"
	printf '%s\n' "$package" >"$dir/version"
}

main "$@"

#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetch the newest kernel package of one line and unpack it.
#
# usage: fetch-kernel.sh LINE DIR
# Leaves DIR/vmlinuz, DIR/lib/modules and DIR/version; does nothing when they
# are there already.
set -eu
# shellcheck source=test/vm/suite.sh
. "$(dirname "$0")/suite.sh"

# The lines: name, suite of Debian ("-": what this host's apt has), pattern of the
# package. Up to Debian 12's backports one package has all; later releases put kernel
# and modules in packages of their own. Kernels for clouds are small and have what a
# virtual machine needs built in; PREEMPT_RT has none of that kind, and a megabyte more.
lines() {
	cat <<-'END'
		5.10   bullseye         linux-image-5\.10\.0-[0-9]+-cloud-amd64
		6.1    -                linux-image-6\.1\.0-[0-9]+-cloud-amd64
		6.12   -                linux-image-6\.12\.[0-9]+\+deb12-cloud-amd64
		newest trixie-backports linux-binary-[0-9.]+\+deb[0-9]+-cloud-amd64
		rt     trixie-backports linux-binary-[0-9.]+\+deb[0-9]+-rt-amd64
		arm64     bookworm-backports linux-image-6\.12\.[0-9]+\+deb12-cloud-arm64
		arm64-6.1 bookworm           linux-image-6\.1\.0-[0-9]+-cloud-arm64
	END
}

die() {
	printf 'fetch-kernel.sh: %s\n' "$*" >&2
	exit 1
}

main() {
	[ $# -eq 2 ] || die "usage: fetch-kernel.sh LINE DIR"
	line=$1
	dir=$2
	suite='' pattern=''
	while read -r name of_suite of_packages; do
		[ "$name" != "$line" ] || suite=$of_suite pattern=$of_packages
	done <<-END
		$(lines)
	END
	[ -n "$pattern" ] || die "no such kernel line '$line': $(lines | cut -d ' ' -f 1 | paste -s -d ' ' -)"
	[ ! -f "$dir/version" ] || return 0
	mkdir -p "$dir"
	# Beside DIR, for the next line of the same suite: to update it again takes a second.
	architecture=${pattern##*-}
	[ "$suite" = - ] || use_suite "$suite" "$architecture" "$(dirname "$dir")/apt-$suite-$architecture"
	package=$(apt-cache pkgnames | grep -xE "$pattern" | sort -V | tail -n 1)
	[ -n "$package" ] || die "no package of the $line line: run apt-get update, then again"
	set -- "$package"
	case $package in
	linux-binary-*) set -- "$package" "linux-modules-${package#linux-binary-}" ;;
	esac
	rm -rf "$dir/deb"
	mkdir "$dir/deb"
	# The sandbox user of apt may not be able to write here; that is only a warning.
	(cd "$dir/deb" && apt-get -q download "$@" 2>&1) >"$dir/download.log" ||
		die "cannot download $package: see $dir/download.log"
	for deb in "$dir"/deb/*.deb; do
		dpkg-deb -x "$deb" "$dir/deb/root"
	done
	cp "$(find "$dir/deb/root" -type f -name 'vmlinuz*')" "$dir/vmlinuz"
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

#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetch the newest kernel package of one line and unpack it.
#
# usage: fetch-kernel.sh 6.1|6.12|newest DIR
# Leaves DIR/vmlinuz, DIR/lib/modules and DIR/version; does nothing when they
# are there already.
set -eu

# The release after Debian 12, whose backports have the newest kernel there is.
NEWEST_SUITE=trixie-backports

die() {
	printf 'fetch-kernel.sh: %s\n' "$*" >&2
	exit 1
}

# Where this host gets its release of Debian from; not its updates.
debian_archive() {
	# shellcheck disable=SC2016 # apt's own fields
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
		sed -n 's/^[a-z]* //p' | head -n 1
}

# An apt of its own beside the host's, whose sources stay as they are.
prepare_newest() {
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/archives/partial"
	archive=$(debian_archive)
	[ -n "$archive" ] || die "apt knows no Debian archive: run apt-get update, then again"
	printf 'deb [signed-by=%s] %s %s main\n' /usr/share/keyrings/debian-archive-keyring.gpg \
		"$archive" "$NEWEST_SUITE" >"$dir/apt/sources.list"
	cat >"$dir/apt/apt.conf" <<-END
		Dir::Etc::sourcelist "$dir/apt/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State::lists "$dir/apt/lists";
		Dir::Cache::archives "$dir/apt/archives";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
	END
	export APT_CONFIG="$dir/apt/apt.conf"
	apt-get -q update >"$dir/download.log" 2>&1 || die "apt-get update failed: see $dir/download.log"
}

# Debian 12 names its own line linux-image-6.1.0-N-cloud-amd64 and the backported
# ones linux-image-6.12.N+deb12-cloud-amd64. Later releases put kernel and modules in
# packages of their own.
newest() {
	case $1 in
	6.1) pattern='^linux-image-6\.1\.0-[0-9]+-cloud-amd64$' ;;
	6.12) pattern='^linux-image-6\.12\.[0-9]+\+deb12-cloud-amd64$' ;;
	newest) pattern='^linux-binary-[0-9.]+\+deb[0-9]+-cloud-amd64$' ;;
	esac
	apt-cache pkgnames | grep -E "$pattern" | sort -V | tail -n 1
}

main() {
	[ $# -eq 2 ] || die "usage: fetch-kernel.sh 6.1|6.12|newest DIR"
	line=$1
	dir=$2
	case $line in
	6.1 | 6.12 | newest) ;;
	*) die "no such kernel line '$line': 6.1, 6.12 or newest" ;;
	esac
	[ ! -f "$dir/version" ] || return 0
	mkdir -p "$dir"
	[ "$line" != newest ] || prepare_newest
	package=$(newest "$line")
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
	rm -rf "$dir/deb" "$dir/apt"
	printf '%s\n' "$package" >"$dir/version"
}

main "$@"

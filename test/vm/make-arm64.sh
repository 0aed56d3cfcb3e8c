#!/bin/bash
# SPDX-License-Identifier: MIT
# Make the file system of the arm64 virtual machine, as make-initrd.sh does for this
# host's processor: Debian's packages for arm64 unpacked, for their scripts could not run
# here, and the tree at /connpin with what make ARCH=arm64 tests built.
#
# usage: make-arm64.sh SOURCE_TREE BASE_DIR OUTPUT.cpio
# BASE_DIR is made once and kept: it takes half a minute.
set -euo pipefail

tree=$1
base=$2
out=$3
packages=(busybox bash dash bats bpftool curl iproute2 util-linux python3-minimal libpython3-stdlib
	coreutils procps passwd libc-bin findutils grep diffutils sed mawk)
built=.output/arm64

die() {
	printf 'make-arm64.sh: %s\n' "$*" >&2
	exit 1
}
# shellcheck source=test/vm/suite.sh
. "$(dirname "$0")/suite.sh"

# What is linked with nothing that was left out, and was asked for.
unpack_base() {
	local root=$base/root deb
	rm -rf "$base"
	mkdir -p "$base" "$root"/{usr/{bin,sbin,lib},dev,proc,sys,run,tmp,root,etc}
	# The one /usr of a Debian since 12, which unpacking alone does not make.
	ln -s usr/bin usr/sbin usr/lib "$root"
	use_suite bookworm arm64 "$base/apt"
	apt-get -q -y --no-install-recommends --download-only install "${packages[@]}" >"$base/log" 2>&1 ||
		die "cannot download the packages: see $base/log"
	for deb in "$base"/apt/archives/*.deb; do
		case ${deb##*/} in
		# For maintainer scripts and parts that nothing here runs.
		perl* | libperl* | usrmerge_* | gcc-*-base_* | util-linux-extra_* | libdb5* | debconf_*) continue ;;
		esac
		# --keep-directory-symlink: /bin of a package is /usr/bin.
		dpkg-deb --fsys-tarfile "$deb" | tar -C "$root" --keep-directory-symlink --no-same-owner -xf - \
			--exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
			--exclude='./usr/share/i18n/*' --exclude='*/gconv/*' --exclude='./usr/share/bash-completion/*' \
			--exclude='./usr/share/zoneinfo/*' --exclude='./var/*'
	done
	rm -rf "$base/apt"
	: >"$base/made"
}

[ -f "$base/made" ] || unpack_base
[ -x "$tree/$built/test/traffic" ] || die "nothing built in $tree/$built: make ARCH=arm64 tests"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp -a "$base/root/." "$root"
chmod 755 "$root"
chmod 1777 "$root/tmp"
[ -e "$root/usr/bin/awk" ] || ln -s mawk "$root/usr/bin/awk"
# busybox stands in for whatever the packages do not bring: the list of this host's, which
# is of the same version.
for applet in $(busybox --list); do
	[ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
done
rm -f "$root/usr/bin/sh"

printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' \
	'nobody:x:65534:65534:nobody:/nonexistent:/bin/false' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$root/etc/group"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"

# Kernel modules that tests need, unpacked, for init to load: one image serves each kernel.
for dir in "$tree"/.output/vm/arm64*/lib/modules/*; do
	[ -d "$dir" ] || continue
	mkdir -p "$root/usr/lib/modules/${dir##*/}"
	for module in veth sch_netem overlay; do
		file=$(find "$dir" -name "$module.ko" -o -name "$module.ko.xz")
		case $file in
		'') die "no module $module in $dir" ;;
		*.xz) xz -dc "$file" >"$root/usr/lib/modules/${dir##*/}/$module.ko" ;;
		*) cp "$file" "$root/usr/lib/modules/${dir##*/}/$module.ko" ;;
		esac
	done
done

install -m 755 "$tree/test/vm/init" "$root/init"
mkdir -p "$root/connpin/.output"
tar -C "$tree" --exclude=./.git --exclude=./.output -cf - . | tar -C "$root/connpin" --no-same-owner -xf -
cp -a "$tree/$built"/{bpf,helpers,test} "$root/connpin/.output/"
ln -f "$root"/connpin/.output/helpers/* "$root/connpin/helpers/"

(cd "$root" && find . -print0 | cpio --quiet --null -o -H newc -R 0:0) >"$out.new"
mv "$out.new" "$out"

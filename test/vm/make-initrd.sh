#!/bin/bash
# SPDX-License-Identifier: MIT
# Make the file system that the virtual machines run from.
#
# usage: make-initrd.sh SOURCE_TREE OUTPUT.cpio
# A Debian in miniature: the programs that the suite and the product call, each
# with the libraries that it is linked with, and the built tree at /connpin.
set -euo pipefail

tree=$1
out=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# Copy files to the same place in the image, following links of the path.
add() {
	local file
	for file; do
		[ -e "$file" ] || { printf 'make-initrd.sh: %s is missing\n' "$file" >&2; exit 1; }
		mkdir -p "$root/$(dirname "$file")"
		[ -e "$root/$file" ] || cp -L "$file" "$root/$file"
	done
}

add_program() {
	local name path
	for name; do
		path=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin type -P "$name") ||
			{ printf 'make-initrd.sh: the program %s is missing\n' "$name" >&2; exit 1; }
		add "$path"
		add_libraries "$path"
	done
}

add_libraries() {
	local lib
	while read -r lib; do
		add "$lib"
	done < <({ ldd "$1" 2>/dev/null || true; } | grep -oE '/[^ ]+' | sort -u)
}

# All regular files of a Debian package, documentation aside.
add_package() {
	local file
	while read -r file; do
		case $file in
		/usr/share/doc/* | /usr/share/man/* | */__pycache__/* | */test/* | */ensurepip/*) continue ;;
		esac
		if [ -f "$file" ]; then
			add "$file"
			case $file in
			*.so | */bin/*) add_libraries "$file" ;;
			esac
		fi
	done < <(dpkg -L "$1")
}

mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,usr/lib,dev,proc,sys,run,tmp,root,etc}
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
mkdir -p "$root/usr/lib64"
chmod 755 "$root"
chmod 1777 "$root/tmp"

add_program busybox bash dash grep bpftool curl ip ss tc nstat flock setpriv nproc env stat getent sort find \
	groupadd useradd comm join kill pgrep strace taskset unshare nsenter timeout realpath cmp install
add_package bats
version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for package in "python$version-minimal" "libpython$version-minimal" "libpython$version-stdlib"; do
	add_package "$package"
done
ln -sf "python$version" "$root/usr/bin/python3"
# busybox stands in for whatever the list above does not name.
for applet in $(busybox --list); do
	[ -e "$root/bin/$applet" ] || [ -e "$root/usr/bin/$applet" ] || [ -e "$root/sbin/$applet" ] ||
		[ -e "$root/usr/sbin/$applet" ] || ln -s /usr/bin/busybox "$root/bin/$applet"
done
rm -f "$root/bin/sh"
[ -e "$root/bin/bash" ] || ln -s /usr/bin/bash "$root/bin/bash"

# OpenRC, where test.sh has fetched it; not installed, for it would take the host's init over.
openrc=$tree/.output/tools/openrc
if [ -d "$openrc" ]; then
	for program in "$openrc"/sbin/* "$openrc"/lib/rc/sbin/* "$openrc"/lib/rc/bin/* "$openrc"/lib/*/*.so.*; do
		add_libraries "$program"
	done
	cp -a "$openrc"/lib/. "$root/usr/lib/"
	cp -a "$openrc"/sbin/. "$root/sbin/"
	cp -a "$openrc"/bin/. "$root/bin/"
	cp -a "$openrc"/etc/rc.conf "$root/etc/"
	mkdir -p "$root/etc/init.d" "$root/etc/conf.d"
	: >"$root/etc/insserv.conf" # of another package of Debian
fi

printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' \
	'nobody:x:65534:65534:nobody:/nonexistent:/bin/false' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$root/etc/group"
add /etc/login.defs /usr/sbin/nologin
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"

# Kernel modules that tests need, unpacked, for init to load in the order of their names: one
# image serves each kernel.
for dir in "$tree"/.output/vm/*/lib/modules/*; do
	case $dir in
	*-arm64) continue ;; # make-arm64.sh has those
	esac
	[ -d "$dir" ] || continue
	mkdir -p "$root/usr/lib/modules/${dir##*/}"
	number=10
	# Each after those it needs; tcp_diag needs inet_diag. Elsewhere the kernel loads it when it
	# is asked.
	for module in veth sch_netem llc stp bridge inet_diag tcp_diag overlay libcrc32c udp_tunnel \
		ip6_udp_tunnel sctp vsock; do
		file=$(find "$dir" -name "$module.ko" -o -name "$module.ko.xz")
		# Not a module of its own any more.
		[ -n "$file" ] || [ "$module" != libcrc32c ] || continue
		[ -n "$file" ] || { printf 'make-initrd.sh: no module %s in %s\n' "$module" "$dir" >&2; exit 1; }
		case $file in
		*.xz) xz -dc "$file" >"$root/usr/lib/modules/${dir##*/}/$number-$module.ko" ;;
		*) cp "$file" "$root/usr/lib/modules/${dir##*/}/$number-$module.ko" ;;
		esac
		number=$((number + 1))
	done
done

install -m 755 "$tree/test/vm/init" "$root/init"
mkdir "$root/connpin"
if [ -d "$tree/.output/tools/prometheus_client" ]; then
	mkdir -p "$root/connpin/.output/tools"
	cp -a "$tree/.output/tools/prometheus_client" "$root/connpin/.output/tools/"
fi
tar -C "$tree" --exclude=./.git --exclude=./.output/vm --exclude=./.output/arm64 --exclude=./.output/tools -cf - . | tar -C "$root/connpin" --no-same-owner -xf -

(cd "$root" && find . -print0 | cpio --quiet --null -o -H newc -R 0:0) >"$out.new"
mv "$out.new" "$out"

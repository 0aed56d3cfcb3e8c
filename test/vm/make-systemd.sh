#!/bin/bash
# SPDX-License-Identifier: MIT
# Make the file system of a virtual machine whose first process is systemd: a small
# Debian with the package of connpin installed, as one that was switched off since.
#
# usage: make-systemd.sh SOURCE_TREE PACKAGE BASE_DIR OUTPUT.cpio
# BASE_DIR is made once and kept: it takes a minute.
set -euo pipefail

tree=$1
package=$2
base=$3
out=$4
# The product's needs are the package's dependencies; the rest are the tests'.
packages=systemd,systemd-sysv,bpftool,busybox,passwd,util-linux,iproute2,curl,bats,python3-minimal,procps

if [ ! -f "$base/made" ]; then
	rm -rf "$base"
	mkdir -p "$base"
	debootstrap --variant=minbase "--include=$packages" bookworm "$base/root" >"$base/log" 2>&1 ||
		{ echo "make-systemd.sh: cannot make $base: see $base/log" >&2 && exit 1; }
	root=$base/root
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,i18n,zoneinfo} \
		"${root:?}"/boot/* "${root:?}"/dev/*
	# What a machine of one test does not wait for.
	rm -rf "$root"/lib/systemd/system/*.timer "$root"/etc/systemd/system/timers.target.wants
	ln -sf /dev/null "$root/etc/systemd/system/getty.target"
	ln -sf /dev/null "$root/etc/systemd/system/serial-getty@ttyS0.service"
	ln -sf /lib/systemd/systemd "$root/init"
	: >"$base/made"
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp -a "$base/root/." "$root"
# What the package must leave behind when it is purged: this list.
(cd "$root" && find etc usr var lib opt srv ! -path 'var/lib/dpkg/*' ! -path 'var/log/*' ! -path 'var/cache/*' | sort) >"$root/root/before"
sort "$root/etc/passwd" "$root/etc/group" >"$root/root/before-users"

printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp "$package" "$root/root/connpin.deb"
chroot "$root" dpkg -i /root/connpin.deb >"$base/dpkg.log" 2>&1 ||
	{ echo "make-systemd.sh: cannot install $package: see $base/dpkg.log" >&2 && exit 1; }
rm "$root/usr/sbin/policy-rc.d"

mkdir "$root/connpin"
tar -C "$tree" --exclude=./.git --exclude=./.output/vm --exclude=./.output/arm64 --exclude=./.output/deb -cf - . |
	tar -C "$root/connpin" --no-same-owner -xf -
# The server asks the kernel whose a client's socket is; elsewhere these load when asked for.
mkdir "$root/root/modules"
number=1
for module in inet_diag tcp_diag; do
	file=$(find "$tree/.output/vm/6.12/lib/modules" -name "$module.ko" -o -name "$module.ko.xz")
	[ -n "$file" ] || { echo "make-systemd.sh: no module $module" >&2 && exit 1; }
	case $file in
	*.xz) xz -dc "$file" >"$root/root/modules/$number-$module.ko" ;;
	*) cp "$file" "$root/root/modules/$number-$module.ko" ;;
	esac
	number=$((number + 1))
done
install -m 755 "$tree/test/vm/systemd-init" "$root/root/run-tests"
cat >"$root/etc/systemd/system/connpin-test.service" <<-'END'
	[Unit]
	Description=the suite
	After=multi-user.target connpin.service
	[Service]
	Type=oneshot
	ExecStart=/root/run-tests
	TimeoutStartSec=infinity
END
mkdir -p "$root/etc/systemd/system/default.target.wants"
ln -s multi-user.target "$root/etc/systemd/system/default.target"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../connpin-test.service "$root/etc/systemd/system/multi-user.target.wants/connpin-test.service"

(cd "$root" && find . -print0 | cpio --quiet --null -o -H newc) >"$out.new"
mv "$out.new" "$out"

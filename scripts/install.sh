#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install.sh: install or remove the files of the manifest, for make install and make uninstall.
#
# usage: install.sh install|uninstall MANIFEST, with DESTDIR, PREFIX, SYSCONFDIR and LIBEXECDIR
# set. An edited configuration file survives both. The script keeps a list of what it
# installed, so that the next run can remove the files of an older connpin.
set -eu
umask 022 # everyone may read what is installed

install_one() {
	target=$DESTDIR$3
	mkdir -p "$(dirname "$target")"
	case $1 in
	link) ln -sfn "$2" "$target" ;;
	config)
		if [ -e "$target" ] && ! cmp -s "$2" "$target"; then
			echo "$target was edited: kept; the new one is $2" >&2
		else
			install -m 644 "$2" "$target"
		fi
		;;
	*)
		install -m "$1" "$2" "$target"
		case $2 in
		scripts/config.sh | etc/systemd/* | etc/openrc/*) sed -i "s|@SYSCONFDIR@|$SYSCONFDIR|; s|@BINDIR@|$PREFIX/bin|" "$target" ;;
		esac
		;;
	esac
}

uninstall_one() {
	target=$DESTDIR$3
	if [ "$1" = config ] && [ -e "$target" ] && ! cmp -s "$2" "$target"; then
		echo "$target was edited: kept" >&2
	else
		rm -f "$target"
	fi
	# Remove empty directories, but none above connpin's own.
	case $target in
	*/connpin/*)
		dir=$(dirname "$target")
		while rmdir "$dir" 2>/dev/null; do
			case $dir in
			*/connpin) break ;;
			esac
			dir=$(dirname "$dir")
		done
		;;
	esac
}

# remove_older MANIFEST LIST: remove what an older connpin installed, by its list, and MANIFEST
# does not list.
remove_older() {
	[ -f "$2" ] || return 0
	while read -r kind destination; do
		cut -d ' ' -f 3 "$1" | grep -qxF "$destination" ||
			uninstall_one "$kind" /dev/null "$destination"
	done <"$2"
}

main() {
	installed=$DESTDIR$LIBEXECDIR/connpin/installed
	case $1 in
	install | uninstall) ;;
	*) echo "usage: install.sh install|uninstall MANIFEST" >&2 && exit 2 ;;
	esac
	remove_older "$2" "$installed"
	while read -r kind source destination; do
		"${1}_one" "$kind" "$source" "$destination"
	done <"$2"
	case $1 in
	install) cut -d ' ' -f 1,3 "$2" >"$installed" ;;
	*) uninstall_one 644 /dev/null "$LIBEXECDIR/connpin/installed" ;;
	esac
}

main "$@"

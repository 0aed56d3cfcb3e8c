#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deb.sh: make a Debian package of the installed tree, with dpkg-deb. make deb runs it.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$ROOT/scripts/lib.sh"

usage() {
	cat <<-END
		usage: deb.sh

		Build, install into a directory of its own, and make connpin_VERSION_ARCH.deb of
		it in .output. make deb runs it.

		Environment: MAINTAINER, NAME <ADDRESS>; SOURCE_DATE_EPOCH, the time that the
		package carries (the last commit's).
		Exit status: 0 done, 2 misuse, 3 it can't be made.
	END
}

# fill FILE: print the template with its values filled in.
fill() {
	sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$architecture|" \
		-e "s|@MAINTAINER@|$MAINTAINER|" -e "s|@SIZE@|${size-}|" "$1"
}

# changelog: print a changelog in Debian's form, which refers to our own.
changelog() {
	printf 'connpin (%s) unstable; urgency=medium\n\n  * See NEWS.gz.\n\n -- %s  %s\n' \
		"$version" "$MAINTAINER" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
}

# licence: print the licence's text, indented for Debian's copyright file.
licence() {
	sed -n '/^Copyright (c)/,$p' "$ROOT/LICENSE" | sed -e 1d -e 's/^$/./' -e 's/^/ /' | sed '1{/^ \.$/d}'
}

documents() {
	doc=$tree/usr/share/doc/connpin
	mkdir -p "$doc" "$tree/usr/share/lintian/overrides"
	changelog | gzip -9n >"$doc/changelog.gz"
	gzip -9nc "$ROOT/CHANGELOG.md" >"$doc/NEWS.gz"
	gzip -9nc "$ROOT/README.md" >"$doc/README.md.gz"
	gzip -9nc "$ROOT/SECURITY.md" >"$doc/SECURITY.md.gz"
	licence >"$deb/licence"
	sed -e "/^@MIT@/{r $deb/licence
d}" "$ROOT/etc/deb/copyright" >"$doc/copyright"
	cp "$ROOT/etc/deb/lintian-overrides" "$tree/usr/share/lintian/overrides/connpin"
	for page in "$tree"/usr/share/man/man?/*; do
		if [ -L "$page" ]; then
			ln -s "$(readlink "$page").gz" "$page.gz"
			rm "$page"
		else
			gzip -9n "$page"
		fi
	done
}

control() {
	mkdir "$tree/DEBIAN"
	(cd "$tree" && find etc -type f | sort | sed 's|^|/|') >"$tree/DEBIAN/conffiles"
	(cd "$tree" && find usr lib etc -type f | sort | xargs md5sum) >"$deb/md5sums"
	grep -v '  etc/' "$deb/md5sums" >"$tree/DEBIAN/md5sums"
	size=$(du -k -s --exclude=DEBIAN "$tree" | cut -f 1)
	fill "$ROOT/etc/deb/control" >"$tree/DEBIAN/control"
	install -m 755 "$ROOT/etc/deb/postinst" "$ROOT/etc/deb/prerm" "$ROOT/etc/deb/postrm" "$tree/DEBIAN"
}

main() {
	answer_help "$@"
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_commands dpkg-deb make gzip strip
	cd "$ROOT"
	version=$(sed -n 's/^VERSION := //p' GNUmakefile)
	architecture=${DEB_ARCHITECTURE-$(dpkg --print-architecture)}
	MAINTAINER=${MAINTAINER-"$(git config user.name 2>/dev/null || echo connpin) <$(
		git config user.email 2>/dev/null || echo "root@$(hostname)")>"}
	SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
	export SOURCE_DATE_EPOCH
	deb=$ROOT/.output/deb
	tree=$deb/tree
	rm -rf "$deb"
	mkdir -p "$deb"
	make install DESTDIR="$tree" PREFIX=/usr SYSCONFDIR=/etc LIBEXECDIR=/usr/libexec \
		UNITDIR=/lib/systemd/system
	rm "$tree/usr/libexec/connpin/installed" # dpkg has its own list
	"${STRIP-strip}" --strip-all "$tree"/usr/bin/conn-* "$tree"/usr/bin/tcp-metrics \
		"$tree"/usr/libexec/connpin/helpers/* "$tree"/usr/libexec/connpin/cgi-bin/cgi-bin/[lm]*
	documents
	control
	find "$tree" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	package=.output/connpin_${version}_$architecture.deb
	dpkg-deb --root-owner-group --build "$tree" "$package" >/dev/null
	echo "$package"
}

main "$@"

#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deb.sh: make a Debian package of the installed tree, with dpkg-deb. make deb runs it.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$ROOT/scripts/lib.sh"

DEB=$ROOT/.output/deb
TREE=$DEB/tree

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

# fill FILE SIZE: print the template with its values filled in.
fill() {
	sed -e "s|@VERSION@|$VERSION|" -e "s|@ARCHITECTURE@|$ARCHITECTURE|" \
		-e "s|@MAINTAINER@|$MAINTAINER|" -e "s|@SIZE@|$2|" "$1"
}

# changelog: print a changelog in Debian's form, which refers to our own.
changelog() {
	printf 'connpin (%s) unstable; urgency=medium\n\n  * See NEWS.gz.\n\n -- %s  %s\n' \
		"$VERSION" "$MAINTAINER" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
}

# licence: print the licence's text, indented for Debian's copyright file.
licence() {
	sed -n '/^Copyright (c)/,$p' "$ROOT/LICENSE" | sed -e 1d -e 's/^$/./' -e 's/^/ /' | sed '1{/^ \.$/d}'
}

documents() {
	doc=$TREE/usr/share/doc/connpin
	mkdir -p "$doc" "$TREE/usr/share/lintian/overrides"
	changelog | gzip -9n >"$doc/changelog.gz"
	gzip -9nc "$ROOT/CHANGELOG.md" >"$doc/NEWS.gz"
	gzip -9nc "$ROOT/README.md" >"$doc/README.md.gz"
	gzip -9nc "$ROOT/SECURITY.md" >"$doc/SECURITY.md.gz"
	licence >"$DEB/licence"
	sed -e "/^@MIT@/{r $DEB/licence
d}" "$ROOT/etc/deb/copyright" >"$doc/copyright"
	cp "$ROOT/etc/deb/lintian-overrides" "$TREE/usr/share/lintian/overrides/connpin"
	for page in "$TREE"/usr/share/man/man?/*; do
		if [ -L "$page" ]; then
			ln -s "$(readlink "$page").gz" "$page.gz"
			rm "$page"
		else
			gzip -9n "$page"
		fi
	done
}

control() {
	mkdir "$TREE/DEBIAN"
	(cd "$TREE" && find etc -type f | sort | sed 's|^|/|') >"$TREE/DEBIAN/conffiles"
	(cd "$TREE" && find usr lib etc -type f | sort | xargs md5sum) >"$DEB/md5sums"
	grep -v '  etc/' "$DEB/md5sums" >"$TREE/DEBIAN/md5sums"
	fill "$ROOT/etc/deb/control" "$(du -k -s --exclude=DEBIAN "$TREE" | cut -f 1)" >"$TREE/DEBIAN/control"
	install -m 755 "$ROOT/etc/deb/postinst" "$ROOT/etc/deb/prerm" "$ROOT/etc/deb/postrm" "$TREE/DEBIAN"
}

main() {
	answer_help "$@"
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_commands dpkg-deb make gzip strip
	cd "$ROOT"
	VERSION=$(sed -n 's/^VERSION := //p' GNUmakefile)
	ARCHITECTURE=${DEB_ARCHITECTURE-$(dpkg --print-architecture)}
	MAINTAINER=${MAINTAINER-"$(git config user.name 2>/dev/null || echo connpin) <$(
		git config user.email 2>/dev/null || echo "root@$(hostname)")>"}
	SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
	export SOURCE_DATE_EPOCH
	rm -rf "$DEB"
	mkdir -p "$DEB"
	make install DESTDIR="$TREE" PREFIX=/usr SYSCONFDIR=/etc LIBEXECDIR=/usr/libexec \
		UNITDIR=/lib/systemd/system
	rm "$TREE/usr/libexec/connpin/installed" # dpkg has its own list
	"${STRIP-strip}" --strip-all "$TREE"/usr/bin/conn-* "$TREE"/usr/bin/tcp-metrics \
		"$TREE"/usr/libexec/connpin/helpers/* "$TREE"/usr/libexec/connpin/cgi-bin/cgi-bin/[lm]*
	documents
	control
	find "$TREE" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	package=.output/connpin_${VERSION}_$ARCHITECTURE.deb
	dpkg-deb --root-owner-group --build "$TREE" "$package" >/dev/null
	echo "$package"
}

main "$@"

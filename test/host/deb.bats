#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The package as it is made; test/systemd/ installs it.

load ../helper

@test "make deb (twice) makes the same package, of which lintian says nothing" {
	run -0 make -C "$TREE" --no-print-directory deb
	package=$TREE/${lines[-1]}
	sum=$(sha256sum <"$package")
	run -0 make -C "$TREE" --no-print-directory deb
	[ "$(sha256sum <"$package")" = "$sum" ]
	run -0 lintian --allow-root --fail-on error,warning "$package"
	[ -z "$output" ]
}

@test "make deb: each command has its page, and each page is of a command" {
	run -0 dpkg-deb -c "$TREE"/.output/connpin_*.deb
	for page in man1/conn-lookup.1 man1/conn-list.1 man1/tcp-metrics.1 man8/connpin.8 man5/connpin.conf.5 \
		man8/connpin-{attach,detach,status,block-ipv6,serve}.8 man1/connpin-{lookup,list,metrics}.1; do
		[[ $output = *"/usr/share/man/$page.gz"* ]]
	done
}

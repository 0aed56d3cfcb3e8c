#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Addresses as other programs print them: what is to be left out is named, wherever it is typed.

load helper

setup_file() {
	attach
}

teardown_file() {
	detach
}

teardown() {
	"$SCRIPTS/serve.sh" -k 2>/dev/null
}

# ADDRESS, a tab, and what is said of it.
pasted() {
	printf '%s\t%s\n' \
		'ff02::fb%eth0' 'has a zone: give it without %zone' \
		'fe80::1%3' 'has a zone: give it without %zone' \
		'[::1]' 'has brackets: give it without brackets' \
		'[::ffff:192.0.2.1]' 'has brackets: give it without brackets' \
		'[::1]:443' 'has brackets and a port: give it without both' \
		'[fe80::1%eth0]' 'has brackets and a zone: give it without brackets, without %zone' \
		'192.0.2.1:443' 'has a port: give it without :port' \
		'[192.0.2.1]' 'is not an IPv4 or IPv6 address' \
		'[::1' 'is not an IPv4 or IPv6 address' \
		'::1]' 'is not an IPv4 or IPv6 address' \
		'192.0.2.1%eth0' 'is not an IPv4 or IPv6 address' \
		'%eth0' 'is not an IPv4 or IPv6 address' \
		'[]' 'is not an IPv4 or IPv6 address'
}

@test "conn-lookup and conn-list (address with a zone, brackets or a port) say what to leave out" {
	while IFS=$'\t' read -r address said; do
		run -2 "$HELPERS/conn-lookup" "$address" 1 2
		[ "$output" = "conn-lookup: DST '$address' $said" ]
		run -2 "$HELPERS/conn-list" --dst "$address"
		[ "$output" = "conn-list: '$address' $said" ]
	done < <(pasted)
}

@test "conn-lookup - (address with a zone, brackets or a port) says what to leave out" {
	pasted | cut -f 1 | sed 's/.*/tcp & 1 2/' | "$HELPERS/conn-lookup" - >"$BATS_TEST_TMPDIR/answers"
	pasted | cut -f 2 | sed 's/.*/{"error":"DST &"}/' | diff - "$BATS_TEST_TMPDIR/answers"
}

@test "GET /cgi-bin/lookup and list (address with a zone, brackets or a port) say what to leave out" {
	"$SCRIPTS/serve.sh" -b 2>/dev/null 3>&-
	while IFS=$'\t' read -r address said; do
		for query in "lookup?sport=1&dport=2&dst=$address" "list?dst=$address" \
			"list?dst=$(sed 's/%/%25/g; s/\[/%5B/g; s/]/%5D/g' <<<"$address")"; do
			run -0 curl -s -g -m 10 "http://$LISTEN/cgi-bin/$query"
			[ "$output" = "{\"error\":\"parameter dst $said\"}" ]
		done
	done < <(pasted)
}

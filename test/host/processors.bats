#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Building for another processor than this host's.

load ../helper

OTHER='aarch64-linux-gnu-gcc'

setup() {
	cd "$TREE" || exit 1
	command -v "$OTHER" >/dev/null
}

# machine_of FILE: the processor in an ELF header.
machine_of() {
	readelf -h "$1" | sed -n 's/^ *Machine: *//p'
}

@test "make ARCH=arm64 builds helpers, objects and test programs for it, and leaves helpers/ alone" {
	local before name
	before=$(ls -li --time-style=full-iso helpers/conn-lookup)
	make ARCH=arm64 tests
	for name in helpers/conn-lookup helpers/run-httpd test/traffic; do
		[ "$(machine_of ".output/arm64/$name")" = AArch64 ]
	done
	[ "$(machine_of .output/arm64/bpf/udp_connect_tp.bpf.o)" = 'Linux BPF' ]
	[ "$(ls -li --time-style=full-iso helpers/conn-lookup)" = "$before" ]
}

# inventory DIR: what it says of programs and maps; the sums are of the very files.
inventory() {
	sed 's/[0-9a-f]\{16\}//' "$1/bpf/inventory"
}

@test "make ARCH=arm64 tells the scripts the same of programs and maps as a build for this host" {
	make all
	make ARCH=arm64 all
	diff <(inventory .output) <(inventory .output/arm64)
}

@test "make (a compiler for a big-endian processor) refuses in one line" {
	run ! make ARCH=arm64 CC="$OTHER -mbig-endian"
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *'little-endian processors only'*"$OTHER -mbig-endian"* ]]
}

@test "make ARCH=riscv (no headers of it here) names what is missing" {
	[ ! -e /usr/riscv64-linux-gnu ] || skip "headers of riscv here"
	run ! make ARCH=riscv OUTPUT="$BATS_TEST_TMPDIR/out"
	[[ "$output" == *'no <asm/types.h> for riscv'* ]]
}

@test "make ARCH=arm64 deb makes a package for that architecture, of its programs" {
	local package unpacked=$BATS_TEST_TMPDIR/unpacked
	make ARCH=arm64 deb
	package=$(echo .output/connpin_*_arm64.deb)
	[ "$(dpkg-deb -f "$package" Architecture)" = arm64 ]
	dpkg-deb -x "$package" "$unpacked"
	rm "$package"
	[ "$(machine_of "$unpacked/usr/bin/conn-lookup")" = AArch64 ]
}

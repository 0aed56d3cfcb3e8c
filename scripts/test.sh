#!/bin/sh
# SPDX-License-Identifier: MIT
#
# test.sh: the whole suite on each kernel of the matrix, in virtual machines, and
# on this host's own. Installs what it needs. The last line is the count.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$ROOT/scripts/lib.sh"
. "$ROOT/scripts/packages.sh"

LINES_OF_KERNELS="6.1 6.12"
# What depends on the kernel runs on each; of the rest each machine has a part, and this
# host all. On the newest kernel that Debian has, for what changed since, the core.
CORE_TESTS=test/lookup.bats,test/identity.bats,test/metrics.bats
KERNEL_TESTS=$CORE_TESTS,test/attach.bats,test/ipv6_block.bats,test/reconcile.bats,test/sockets.bats
TESTS_6_1=$KERNEL_TESTS,test/cli.bats,test/machine/missing.bats,test/machine/broken.bats,test/machine/openrc.bats
TESTS_6_12=$KERNEL_TESTS,test/http.bats,test/serve.bats,test/upgrade.bats,test/container.bats,test/machine/broken.bats,test/machine/netem.bats
VM=$ROOT/.output/vm
TEST_PACKAGES="bats shellcheck clang-format curl python3 cpio qemu-system-x86 bash dash apt dpkg
	procps xz-utils gzip mandoc strace valgrind lintian debootstrap libclang-rt-14-dev mitmproxy
	nftables chromium-headless-shell qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
NODE_PACKAGES="playwright-core@1.64.1 axe-core@4.14.1 kubernetes-models@4.5.1 yaml@2.8.1"
BOOT_SECONDS=30    # a trial boot takes 5 s at most where the accelerator works
SUITE_SECONDS=3000 # emulated, both at once on two busy CPUs: 500 at best

usage() {
	cat <<-END
		usage: test.sh

		Install what is missing (Debian packages), build, run the suite natively on this
		kernel, what depends on the kernel in a virtual machine on each of $LINES_OF_KERNELS, and
		the core of it on the newest that Debian has, and on arm64. Needs root. Ends with "N passed, N
		failed, N skipped".

		Exit status: 0 all passed, 1 something failed or was skipped unexpectedly,
		2 misuse, 3 the tests could not be run.
	END
}

# A /dev/kvm may be there and run no guest: only a machine that says its word counts.
pick_accelerator() {
	if [ -w /dev/kvm ] && "$ROOT/test/vm/run-vm.sh" "$VM/6.1/vmlinuz" "$VM/initrd.cpio" "$VM/trial" \
		kvm "$BOOT_SECONDS" connpin.trial=boot >/dev/null 2>&1; then
		echo kvm
	else
		echo tcg
	fi
}

# unpack NAME PACKAGE...: the files of Debian packages, not installed, in $VM/NAME/root.
unpack() {
	unpacked=$VM/$1
	shift
	mkdir -p "$unpacked" "$ROOT/.output/tools"
	(cd "$unpacked" && apt-get -q download "$@") >>"$INSTALL_LOG" 2>&1 ||
		die "cannot download $*: see $INSTALL_LOG"
	for package in "$unpacked"/*.deb; do
		dpkg-deb -x "$package" "$unpacked/root"
	done
}

# The OpenMetrics parser of the Python client, which needs nothing else installed.
fetch_parser() {
	[ ! -d "$ROOT/.output/tools/prometheus_client" ] || return 0
	unpack client python3-prometheus-client
	mv "$VM/client/root/usr/lib/python3/dist-packages/prometheus_client" "$ROOT/.output/tools"
	rm -r "$VM/client"
}

# Installed, it would take the place of the host's init.
fetch_openrc() {
	[ ! -d "$ROOT/.output/tools/openrc" ] || return 0
	unpack openrc openrc librc1 libeinfo1
	mv "$VM/openrc/root" "$ROOT/.output/tools/openrc"
	rm -r "$VM/openrc"
}

# Installing Debian's package would start a server.
fetch_prometheus() {
	[ ! -x "$ROOT/.output/tools/prometheus" ] || return 0
	unpack prometheus prometheus
	cp "$VM/prometheus/root/usr/bin/promtool" "$VM/prometheus/root/usr/bin/prometheus" \
		"$ROOT/.output/tools/"
	rm -r "$VM/prometheus"
}

# What drives the browser and judges the page. Debian's npm brings hundreds of packages:
# only where there is none yet.
fetch_node_packages() {
	command -v npm >/dev/null || install_missing nodejs npm
	mkdir -p "$ROOT/.output/tools/node"
	[ "$(cat "$ROOT/.output/tools/node/have" 2>/dev/null)" != "$NODE_PACKAGES" ] || return 0
	# shellcheck disable=SC2086 # a list of names
	(cd "$ROOT/.output/tools/node" && npm install --no-package-lock --no-audit --no-fund --ignore-scripts \
		$NODE_PACKAGES) >>"$INSTALL_LOG" 2>&1 || die "cannot fetch $NODE_PACKAGES: see $INSTALL_LOG"
	echo "$NODE_PACKAGES" >"$ROOT/.output/tools/node/have"
}

# run_machine LINE SHELL TESTS [NAME INITRD]: in the background; its verdict goes to
# NAME.rc, or LINE.rc.
run_machine() {
	line=$1 shell=$2 tests=$3 name=${4-$1} rc=0
	"$ROOT/test/vm/run-vm.sh" "$VM/$line/vmlinuz" "$VM/${5-initrd.cpio}" "$VM/log-$name" "$ACCEL" \
		"$SUITE_SECONDS" "connpin.line=$line" "connpin.sh=$shell" \
		connpin.tests="$tests" 2>"$VM/$name.error" || rc=$?
	echo "$rc" >"$VM/$name.rc"
}

PASSED=0 FAILED=0 SKIPPED=0

# judge NAME TAP EXIT_STATUS REASON: add the results up; to skip is a failure, but for
# REASON. A run that did not
# carry out its plan, or ended badly with no failure to show, is a failure.
judge() {
	passed=$(grep -ac '^ok ' "$2" || true)
	skipped=$(grep -aEc '^ok .*# skip' "$2" || true)
	failed=$(grep -ac '^not ok ' "$2" || true)
	plan=$(sed -n 's/^1\.\.\([0-9][0-9]*\).*/\1/p' "$2" | head -n 1)
	run_in_all=$((passed + failed))
	passed=$((passed - skipped))
	grep -aE '^not ok |^# |^ok .*# skip' "$2" | sed "s/^/$1: /" || true
	if [ "$run_in_all" -ne "${plan:-0}" ] || [ "$run_in_all" -eq 0 ]; then
		echo "$1: $run_in_all of ${plan:-an unknown number of} tests were run"
		failed=$((failed + 1))
	elif [ "$3" -ne 0 ] && [ "$failed" -eq 0 ]; then
		echo "$1: the run ended with status $3"
		failed=1
	fi
	if grep -aE '^ok .*# skip' "$2" | grep -qv "# skip $4\$"; then
		echo "$1: skipped for another reason than '$4'"
		failed=$((failed + 1))
	fi
	echo "$1: $passed passed, $failed failed, $skipped skipped"
	PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
}

main() {
	answer_help "$@"
	[ $# -eq 0 ] || misuse "unexpected argument $1"
	need_root
	cd "$ROOT"
	mkdir -p "$VM"
	# shellcheck disable=SC2086 # lists of names
	install_missing $BUILD_PACKAGES $RUN_PACKAGES $TEST_PACKAGES
	apt-cache pkgnames linux-image-6.12 | grep -q cloud || apt-get -q update >>"$INSTALL_LOG" 2>&1
	make tests
	make ARCH=arm64 tests
	make lint
	for line in $LINES_OF_KERNELS newest arm64; do
		test/vm/fetch-kernel.sh "$line" "$VM/$line"
	done
	fetch_openrc
	test/vm/make-initrd.sh "$ROOT" "$VM/initrd.cpio"
	test/vm/make-arm64.sh "$ROOT" "$VM/arm64-base" "$VM/arm64.cpio"
	make deb
	test/vm/make-systemd.sh "$ROOT" "$(echo .output/connpin_*.deb)" "$VM/systemd" "$VM/systemd.cpio"
	fetch_prometheus
	fetch_node_packages
	fetch_parser
	ACCEL=$(pick_accelerator)
	export ACCEL
	echo "virtual machines: $(cat "$VM/6.1/version"), $(cat "$VM/6.12/version"), $(cat "$VM/newest/version"), $ACCEL"

	# Natively first: the emulated machines take both CPUs.
	rc=0
	bats --tap --timing test test/host >"$VM/host.tap" 2>&1 </dev/null || rc=$?
	judge "host $(uname -r)" "$VM/host.tap" "$rc" 'no fentry here'

	run_machine 6.1 dash "$TESTS_6_1" &
	run_machine 6.12 ash "$TESTS_6_12" &
	wait
	run_machine newest dash "$CORE_TESTS" &
	run_machine 6.12 dash test/systemd systemd systemd.cpio &
	wait
	# Another processor has no accelerator here.
	ACCEL=tcg
	run_machine arm64 ash "$CORE_TESTS,test/soak/records.bats" arm64 arm64.cpio
	for name in $LINES_OF_KERNELS newest systemd arm64; do
		cat "$VM/$name.error" >&2
		judge "Linux $name" "$VM/log-$name/tap.log" "$(cat "$VM/$name.rc")" nothing
	done

	printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
	[ "$FAILED" -eq 0 ]
}

main "$@"

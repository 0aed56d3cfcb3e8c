#!/bin/sh
# SPDX-License-Identifier: MIT
#
# test.sh: run the whole suite on this host's kernel, and in virtual machines what depends on
# the kernel. It installs what it needs. The last line has the totals.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$ROOT/scripts/lib.sh"
. "$ROOT/scripts/packages.sh"

# The virtual machines, slowest first: name, kernel, image, CPUs, shell, tests, words for the
# kernel's command line. All tests run on this host; those that depend on the kernel run in the
# machines as well. With -a every test that can run in a machine does, which takes two hours
# without KVM. Machines have one CPU where that is enough, because it is cheaper to emulate.
CORE=machine/machine,lookup,ipv6_block,other_sockets,connections
ALL=identity,metrics,attach,reconcile,neighbours,rewriters,sockets,upgrade,forgery,udp_shared
machines() {
	cat <<-END
		6.12      6.12   initrd  2 ash  $CORE,machine/place,udp_shared,replies${WITH_ALL:+,$ALL,http,serve,container,machine/netem}
		6.1       6.1    initrd  2 dash $CORE${WITH_ALL:+,$ALL,cli,replies,machine/missing,machine/broken,machine/openrc}
		refusals  6.12   initrd  1 dash machine/machine,machine/refusals lsm=lockdown,yama,bpf
		arm64     arm64  arm64   2 ash  machine/machine,lookup${WITH_ALL:+,metrics,identity,soak/records}
		newest    newest initrd  2 dash $CORE${WITH_ALL:+,metrics,identity}
		rt        rt     initrd  1 ash  machine/machine,lookup
		systemd   6.12   systemd 1 dash systemd/systemd
		5.10      5.10   initrd  1 dash machine/machine,core
		lockdown  6.1    initrd  1 ash  machine/machine,core lockdown=confidentiality
		integrity 6.1    initrd  1 dash machine/machine,core lockdown=integrity
	END
}
WITH_ALL=

VM=$ROOT/.output/vm
TEST_PACKAGES="bats shellcheck clang-format curl python3 cpio qemu-system-x86 bash dash apt dpkg
	procps xz-utils gzip mandoc strace valgrind lintian debootstrap libclang-rt-14-dev mitmproxy
	nftables chromium-headless-shell qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
NODE_PACKAGES="playwright-core@1.64.1 axe-core@4.14.1 kubernetes-models@4.5.1 yaml@2.8.1"
BOOT_SECONDS=30    # with a working accelerator a trial boot takes up to 5 s
SUITE_SECONDS=3000 # for the slowest one, emulated beside another on two busy CPUs

usage() {
	cat <<-END
		usage: test.sh [-a]

		Install what is missing (Debian packages), build, run the suite natively on this
		kernel, and what depends on the kernel in virtual machines:
		$(machines | cut -d ' ' -f 1 | paste -s -d ' ' -)
		Needs root. Ends with "N passed, N failed, N skipped".

		  -a  everything that can run there, in each machine (two hours without KVM)

		Exit status: 0 all passed, 1 something failed, or other tests were skipped than
		test/skips says, 2 misuse, 3 the tests could not be run.
	END
}

# pick_accelerator: print kvm or tcg. A host may have /dev/kvm and yet run no guest, so a trial
# machine has to boot and say so.
pick_accelerator() {
	if [ -w /dev/kvm ] && "$ROOT/test/vm/run-vm.sh" "$VM/6.1/vmlinuz" "$VM/initrd.cpio" "$VM/trial" \
		kvm "$BOOT_SECONDS" connpin.trial=boot >/dev/null 2>&1; then
		echo kvm
	else
		echo tcg
	fi
}

# unpack NAME PACKAGE...: unpack Debian packages into $VM/NAME/root without installing them.
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

# fetch_parser: fetch the OpenMetrics parser of the Python client, which has no dependencies.
fetch_parser() {
	[ ! -d "$ROOT/.output/tools/prometheus_client" ] || return 0
	unpack client python3-prometheus-client
	mv "$VM/client/root/usr/lib/python3/dist-packages/prometheus_client" "$ROOT/.output/tools"
	rm -r "$VM/client"
}

# fetch_openrc: fetch OpenRC without installing it, which would replace the host's init.
fetch_openrc() {
	[ ! -d "$ROOT/.output/tools/openrc" ] || return 0
	unpack openrc openrc librc1 libeinfo1
	mv "$VM/openrc/root" "$ROOT/.output/tools/openrc"
	rm -r "$VM/openrc"
}

# fetch_prometheus: fetch it without installing the package, which would start a server.
fetch_prometheus() {
	[ ! -x "$ROOT/.output/tools/prometheus" ] || return 0
	unpack prometheus prometheus
	cp "$VM/prometheus/root/usr/bin/promtool" "$VM/prometheus/root/usr/bin/prometheus" \
		"$ROOT/.output/tools/"
	rm -r "$VM/prometheus"
}

# fetch_node_packages: fetch what drives the browser and checks the page. npm is installed only
# if there is none, because Debian's depends on hundreds of packages.
fetch_node_packages() {
	command -v npm >/dev/null || install_missing nodejs npm
	mkdir -p "$ROOT/.output/tools/node"
	[ "$(cat "$ROOT/.output/tools/node/have" 2>/dev/null)" != "$NODE_PACKAGES" ] || return 0
	# shellcheck disable=SC2086 # a list of names
	(cd "$ROOT/.output/tools/node" && npm install --no-package-lock --no-audit --no-fund --ignore-scripts \
		$NODE_PACKAGES) >>"$INSTALL_LOG" 2>&1 || die "cannot fetch $NODE_PACKAGES: see $INSTALL_LOG"
	echo "$NODE_PACKAGES" >"$ROOT/.output/tools/node/have"
}

# run_machine NAME KERNEL IMAGE CPUS SHELL TESTS [WORD...]: run the tests in a machine. The
# exit status goes to NAME.rc and the messages to NAME.error.
run_machine() {
	name=$1 kernel=$2 image=$3 cpus=$4 shell=$5 tests=$6 rc=0
	shift 6
	accel=$ACCEL
	[ "$image" != arm64 ] || accel=tcg # KVM needs a guest of the host's architecture
	release=$(sed 's/^linux-[a-z]*-//' "$VM/$kernel/version")
	"$ROOT/test/vm/run-vm.sh" -c "$cpus" "$VM/$kernel/vmlinuz" "$VM/$image.cpio" "$VM/log-$name" \
		"$accel" "$SUITE_SECONDS" "connpin.line=$kernel" "connpin.release=$release" "connpin.sh=$shell" \
		"connpin.tests=$(echo "$tests" | sed 's,[^\,]*,test/&.bats,g')" "$@" 2>"$VM/$name.error" || rc=$?
	echo "$rc" >"$VM/$name.rc"
}

# run_machines: run one machine after another, skipping those that the other call of this
# function has taken. Two calls run at once.
run_machines() {
	machines | while read -r machine_name rest; do
		mkdir "$VM/taken/$machine_name" 2>/dev/null || continue
		# shellcheck disable=SC2086 # words of the table
		run_machine $machine_name $rest
	done
}

PASSED=0 FAILED=0 SKIPPED=0

# judge MACHINE TAP EXIT_STATUS: print the results and add them to the totals.
judge() {
	test/judge.sh "$@" >"$VM/judgement" || true
	cat "$VM/judgement"
	read -r passed failed skipped <<-END
		$(sed -n '$s/.*: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$VM/judgement")
	END
	# If judge.sh prints no counts, that is a failure too.
	PASSED=$((PASSED + ${passed:-0})) FAILED=$((FAILED + ${failed:-1})) SKIPPED=$((SKIPPED + ${skipped:-0}))
}

main() {
	answer_help "$@"
	if [ "${1-}" = -a ]; then
		WITH_ALL=yes
		shift
	fi
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
	for line in $(machines | awk '!seen[$2]++ { print $2 }'); do
		test/vm/fetch-kernel.sh "$line" "$VM/$line"
	done
	fetch_openrc
	fetch_parser
	test/vm/make-initrd.sh "$ROOT" "$VM/initrd.cpio"
	test/vm/make-arm64.sh "$ROOT" "$VM/arm64-base" "$VM/arm64.cpio"
	make deb
	test/vm/make-systemd.sh "$ROOT" "$(echo .output/connpin_*.deb)" "$VM/systemd" "$VM/systemd.cpio"
	fetch_prometheus
	fetch_node_packages
	ACCEL=$(pick_accelerator)
	export ACCEL
	echo "virtual machines: $(cat "$VM"/*/version | paste -s -d ' ' -), $ACCEL"

	# This host goes first, because the emulated machines take both CPUs.
	rc=0
	bats --tap --timing test test/host >"$VM/host.tap" 2>&1 </dev/null || rc=$?
	judge host "$VM/host.tap" "$rc"

	rm -rf "$VM/taken"
	mkdir "$VM/taken"
	run_machines &
	run_machines &
	wait
	for name in $(machines | cut -d ' ' -f 1); do
		cat "$VM/$name.error" >&2
		judge "$name" "$VM/log-$name/tap.log" "$(cat "$VM/$name.rc")"
	done

	printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
	[ "$FAILED" -eq 0 ]
}

main "$@"

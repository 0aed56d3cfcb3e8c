# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# packages.sh: installs Debian packages that are missing, for quickstart.sh and test.sh.
#
# Needs lib.sh.

# install_missing PACKAGE...: install those that are missing, and say so.
install_missing() {
	missing=
	for package; do
		case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
		*' installed') ;;
		*) missing="$missing $package" ;;
		esac
	done
	[ -n "$missing" ] || return 0
	need_root
	command -v apt-get >/dev/null 2>&1 ||
		die "these packages are missing, and there is no apt-get:$missing"
	note "installing$missing"
	apt-get -q update >"$INSTALL_LOG" 2>&1 || die "apt-get update failed: see $INSTALL_LOG"
	# shellcheck disable=SC2086 # a list of names
	DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing \
		>>"$INSTALL_LOG" 2>&1 || die "apt-get install$missing failed: see $INSTALL_LOG"
}

INSTALL_LOG=$ROOT/.output/install.log

# The packages that make needs.
BUILD_PACKAGES="make gcc clang llvm libbpf-dev linux-libc-dev libc6-dev musl-tools"
# The packages that connpin needs at run time.
RUN_PACKAGES="bpftool busybox iproute2 util-linux passwd"
export BUILD_PACKAGES RUN_PACKAGES

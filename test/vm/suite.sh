# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# suite.sh: packages of another suite of Debian, or of another architecture. Sourced;
# the caller has die.

# Where this host gets its release of Debian from; not its updates.
debian_archive() {
	# shellcheck disable=SC2016 # apt's own fields
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
		sed -n 's/^[a-z]* //p' | head -n 1
}

# use_suite SUITE ARCHITECTURE DIR: an apt of its own in DIR beside the host's, whose
# sources stay as they are. It knows of no installed package: what it resolves is complete.
use_suite() {
	archive=$(debian_archive)
	[ -n "$archive" ] || die "apt knows no Debian archive: run apt-get update, then again"
	mkdir -p "$3/lists/partial" "$3/archives/partial"
	: >"$3/status"
	printf 'deb [signed-by=%s] %s %s main\n' /usr/share/keyrings/debian-archive-keyring.gpg \
		"$archive" "$1" >"$3/sources.list"
	cat >"$3/apt.conf" <<-END
		APT::Architecture "$2";
		APT::Architectures { "$2"; };
		Dir::Etc::sourcelist "$3/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State::status "$3/status";
		Dir::State::lists "$3/lists";
		Dir::Cache::archives "$3/archives";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
	END
	export APT_CONFIG="$3/apt.conf"
	apt-get -q update >"$3/update.log" 2>&1 || die "apt-get update failed: see $3/update.log"
}

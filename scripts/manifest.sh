#!/bin/sh
# SPDX-License-Identifier: MIT
#
# manifest.sh: list what make install installs, and where; make uninstall uses the same list.
#
# It prints lines "KIND SOURCE DESTINATION". KIND is a file mode, "config" for a file that
# the administrator may edit once it is installed, or "link", whose SOURCE is the link's text.
set -eu

libexec=$LIBEXECDIR/connpin

each() {
	each_kind=$1
	each_dir=$2
	shift 2
	for each_file; do
		printf '%s %s %s\n' "$each_kind" "$each_file" "$each_dir/${each_file##*/}"
	done
}

each 755 "$libexec/scripts" scripts/attach.sh scripts/detach.sh scripts/status.sh \
	scripts/ipv6-block.sh scripts/serve.sh scripts/connpin
each 644 "$libexec/scripts" scripts/lib.sh scripts/config.sh scripts/mounts.sh scripts/pins.sh scripts/inventory.sh scripts/causes.sh \
	scripts/objects.sh scripts/features.sh
# The names of the objects come from the sources, so that uninstall needs no build.
for source in bpf/*.bpf.c; do
	object=${source##*/}
	each 644 "$libexec/bpf" ".output/bpf/${object%.c}.o"
done
while read -r object _; do
	case $object in
	'' | '#'*) continue ;;
	esac
	each 644 "$libexec/bpf" ".output/bpf/$object.bpf.o"
done <bpf/variants
each 644 "$libexec/bpf" .output/bpf/inventory
for name in conn-lookup conn-list tcp-metrics attach-tracing carry-counters move-pins run-httpd \
	pinned read-settings; do
	each 755 "$libexec/helpers" ".output/helpers/$name"
done
each 755 "$libexec/cgi-bin/cgi-bin" cgi-bin/cgi-bin/index.cgi
for name in lookup list metrics; do
	printf '755 .output/helpers/%s %s\n' "$name-cgi" "$libexec/cgi-bin/cgi-bin/$name"
done
each 644 "$libexec/cgi-bin/metrics" cgi-bin/metrics/README
each 644 "$libexec/cgi-bin" cgi-bin/index.html cgi-bin/connpin.css cgi-bin/connpin.js
each 644 "$PREFIX/share/connpin/mitmproxy" etc/mitmproxy/*.py
each 644 "$PREFIX/share/connpin/prometheus" etc/prometheus/*.yml
each 644 "$PREFIX/share/connpin/grafana" etc/grafana/connpin.json
# These are installed twice, because with a link each start would resolve one more path.
each 755 "$PREFIX/bin" .output/helpers/conn-lookup .output/helpers/conn-list \
	.output/helpers/tcp-metrics
case $libexec in
"$PREFIX"/*) front=..${libexec#"$PREFIX"} ;;
*) front=$libexec ;;
esac
printf 'link %s %s\n' "$front/scripts/connpin" "$PREFIX/bin/connpin"
printf 'config etc/connpin.conf %s\n' "$SYSCONFDIR/connpin.conf"
printf 'config etc/httpd.conf %s\n' "$SYSCONFDIR/connpin-httpd.conf"
# shellcheck disable=SC2153 # the makefile sets UNITDIR
each 644 "$UNITDIR" etc/systemd/connpin.service etc/systemd/connpin-http.service
printf '644 etc/systemd/connpin.sysusers %s\n' "$PREFIX/lib/sysusers.d/connpin.conf"
[ -z "$INITDIR" ] || each 755 "$INITDIR" etc/openrc/connpin etc/openrc/connpin-http
for page in helpers/*.[158] scripts/*.[158] etc/*.[158]; do
	each 644 "$PREFIX/share/man/man${page##*.}" "$page"
done
printf 'link conn-lookup.1 %s\nlink conn-list.1 %s\nlink tcp-metrics.1 %s\n' \
	"$PREFIX/share/man/man1/connpin-lookup.1" "$PREFIX/share/man/man1/connpin-list.1" \
	"$PREFIX/share/man/man1/connpin-metrics.1"
printf '644 etc/connpin.bash-completion %s\n' "$PREFIX/share/bash-completion/completions/connpin"
for name in conn-lookup conn-list tcp-metrics; do
	printf 'link connpin %s\n' "$PREFIX/share/bash-completion/completions/$name"
done

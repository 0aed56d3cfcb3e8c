#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Beyond one host: two machines, one Prometheus. Two kernels of the matrix, started
# without systemd, each with traffic of its own.

load ../helper

VM=$TREE/.output/vm
TOOLS=$TREE/.output/tools
BASE=$((${LISTEN##*:} + 4)) # and the next two
ADDRESS=127.0.0.1:$((BASE + 2))
MODULES="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net"

# The suite's file system with the network's modules and another first process on top:
# a kernel unpacks one archive after the other.
make_initrd() {
	local dir file n name root=$BATS_FILE_TMPDIR/root
	mkdir -p "$root/fleet"
	install -m 755 "$TREE/test/vm/fleet-init" "$root/fleet/init"
	for dir in "$VM"/6.*/lib/modules/*; do
		mkdir "$root/fleet/${dir##*/}"
		n=10
		for name in $MODULES; do
			# What is not there is built in.
			file=$(find "$dir" -name "$name.ko" -o -name "$name.ko.xz")
			n=$((n + 1))
			case $file in
			*.xz) xz -dc "$file" >"$root/fleet/${dir##*/}/$n-$name.ko" ;;
			*.ko) cp "$file" "$root/fleet/${dir##*/}/$n-$name.ko" ;;
			esac
		done
	done
	{
		cat "$VM/initrd.cpio"
		(cd "$root" && find . -print0 | cpio --quiet --null -o -H newc -R 0:0)
	} >"$BATS_FILE_TMPDIR/initrd.cpio"
}

# machine LINE PORT REFUSE OPEN: boot, its port 9090 at PORT here.
machine() {
	qemu-system-x86_64 -accel "${ACCEL-tcg}" -cpu max,-avx,-avx2,-la57,-smap,-smep,-umip,-pku,-fsgsbase,-xsave \
		-smp 1 -m 1536 -no-reboot -nodefaults -display none \
		-netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$2-10.0.2.15:9090" -device virtio-net-pci,netdev=net,romfile= \
		-kernel "$VM/$1/vmlinuz" -initrd "$BATS_FILE_TMPDIR/initrd.cpio" \
		-append "console=ttyS0 panic=-1 oops=panic rdinit=/fleet/init random.trust_cpu=on mitigations=off connpin.refuse=$3 connpin.open=$4" \
		-serial "file:$BATS_FILE_TMPDIR/kernel-$1" -serial "file:$BATS_FILE_TMPDIR/said-$1" \
		</dev/null >"$BATS_FILE_TMPDIR/qemu-$1" 2>&1 3>&- &
	echo $! >>"$BATS_FILE_TMPDIR/pids"
}

setup_file() {
	make_initrd
	machine 6.1 "$BASE" 31 200
	machine 6.12 "$((BASE + 1))" 44 100
	sed -e 's/15s/1s/' -e "s/'127\.0\.0\.1:9090'/'127.0.0.1:$BASE', '127.0.0.1:$((BASE + 1))'/" \
		"$TREE/etc/prometheus/prometheus.yml" >"$BATS_FILE_TMPDIR/prometheus.yml"
	cp "$TREE/etc/prometheus/connpin.rules.yml" "$BATS_FILE_TMPDIR"
	"$TOOLS/prometheus" --config.file="$BATS_FILE_TMPDIR/prometheus.yml" \
		--storage.tsdb.path="$BATS_FILE_TMPDIR/data" --web.listen-address="$ADDRESS" \
		>"$BATS_FILE_TMPDIR/log" 2>&1 3>&- &
	echo $! >>"$BATS_FILE_TMPDIR/pids"
}

teardown_file() {
	# shellcheck disable=SC2046 # a list of numbers
	kill $(cat "$BATS_FILE_TMPDIR/pids")
}

ask() {
	/usr/bin/python3 "$TREE/test/host/prometheus/query.py" "http://$ADDRESS" "$1"
}

# answers EXPRESSION VALUE [SECONDS]: poll until Prometheus says so.
answers() {
	local said='' end=$((SECONDS + ${3-20}))
	until said=$(ask "$1" 2>/dev/null) && [ "$said" = "$2" ]; do
		[ "$SECONDS" -lt "$end" ] || {
			echo "$1 is: $said"
			tail -n 3 "$BATS_FILE_TMPDIR"/said-* "$BATS_FILE_TMPDIR"/qemu-*
			return 1
		}
		sleep 0.2
	done
}

@test "two machines, one Prometheus: each host's counters are exactly its own" {
	answers 'count(up{job="connpin"} == 1)' 2 400
	answers "tcp_failed_connections_total{instance=\"127.0.0.1:$BASE\"}" 31
	answers "tcp_failed_connections_total{instance=\"127.0.0.1:$((BASE + 1))\"}" 44
	answers "tcp_active_connections_total{instance=\"127.0.0.1:$BASE\"}" 200
	answers "tcp_active_connections_total{instance=\"127.0.0.1:$((BASE + 1))\"}" 100
}

@test "two machines, one Prometheus: sums and maxima over the instances are right" {
	answers 'sum(tcp_failed_connections_total{job="connpin"})' 75
	answers 'count(count by (instance) (tcp_failed_connections_total))' 2
	answers 'sum without (instance) (tcp_active_connections_total)' 300
	answers 'topk(1, tcp_failed_connections_total)' 44
	# A rule, by instance: nobody connects while the scrapes go on.
	answers 'count by (__name__) (connpin:tcp_attempts:rate5m)' 2
}

@test "two machines, one Prometheus: look-ups are not answered to the network" {
	# Through qemu the client is 10.0.2.2, not the machine itself.
	run -0 curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$BASE/cgi-bin/list"
	[ "$output" = 403 ]
	run -0 curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$BASE/cgi-bin/metrics"
	[ "$output" = 200 ]
}

@test "two machines, one Prometheus: one that ends is seen to be down" {
	kill "$(head -n 1 "$BATS_FILE_TMPDIR/pids")"
	sed -i 1d "$BATS_FILE_TMPDIR/pids"
	answers "up{instance=\"127.0.0.1:$BASE\"}" 0
	answers "up{instance=\"127.0.0.1:$((BASE + 1))\"}" 1
}

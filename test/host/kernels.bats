#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Kernels that the matrix has not: their types, on this one.

load ../helper

takes() {
	local object
	for object in port_tracker tcp_states_tp tcp_counters_tp tcp_counters_raw tcp_live; do
		/usr/bin/python3 "$TREE/test/host/other_btf.py" "$TREE/.output/bpf/$object.bpf.o" "$1"
	done
}

@test "the kernel (TIME_WAIT sockets counted from 0, before 5.18) takes the objects of the metrics" {
	takes early
}

@test "the kernel (TIME_WAIT sockets counted apart, 5.18 to 6.0) takes the objects of the metrics" {
	takes apart
}

@test "the kernel (without IPv6) takes the objects of the metrics" {
	takes no-ipv6
}

// SPDX-License-Identifier: GPL-2.0
/*
 * udp_connect_split: udp_connect for Linux 6.13 and later, where UDP has connect functions
 * of its own (net/ipv4/udp.c, net/ipv6/udp.c).
 *
 * The kernel runs a tracing program once at a time on each CPU. If a task is preempted
 * inside the program, it is skipped for other events on that CPU (bpftool shows them as
 * recursion_misses). These kernels are preemptible, so each program has a spare, which can
 * run then. A connection recorded by both has one record all the same.
 */
#include "udp_connect.bpf.h"

SEC("fexit/udp_connect")
int BPF_PROG(on_udp_connect4, struct sock *sk, struct sockaddr *uaddr, int addr_len, int ret)
{
	on_connected_v4(sk, ret);
	return 0;
}

SEC("fexit/udp_connect")
int BPF_PROG(on_spare_udp4, struct sock *sk, struct sockaddr *uaddr, int addr_len, int ret)
{
	on_connected_v4(sk, ret);
	return 0;
}

SEC("fexit/udpv6_connect")
int BPF_PROG(on_udp_connect6, struct sock *sk, struct sockaddr *uaddr, int addr_len, int ret)
{
	on_connected_v6(sk, ret);
	return 0;
}

SEC("fexit/udpv6_connect")
int BPF_PROG(on_spare_udp6, struct sock *sk, struct sockaddr *uaddr, int addr_len, int ret)
{
	on_connected_v6(sk, ret);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/*
 * udp_connect from Linux 6.13 on, where UDP has functions of its own to connect
 * (net/ipv4/udp.c, net/ipv6/udp.c).
 *
 * The kernel runs a program of this kind once at a time on each CPU, and skips it for
 * an event that comes while another task was preempted in the middle of it (bpftool
 * counts these as recursion_misses). These kernels are preemptible, so each program has
 * a spare one, which is not in the middle at that moment. Who is recorded twice is
 * recorded once.
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

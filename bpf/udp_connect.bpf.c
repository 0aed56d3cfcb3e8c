// SPDX-License-Identifier: GPL-2.0
/*
 * udp_connect: records which process connects a UDP socket, by fexit on the functions that
 * do so up to Linux 6.12. udp_connect_split is for later kernels, udp_connect_tp for
 * kernels that refuse fexit.
 */
#include "udp_connect.bpf.h"

SEC("fexit/ip4_datagram_connect")
int BPF_PROG(on_udp_connect4, struct sock *sk, struct sockaddr *uaddr, int addr_len, int ret)
{
	on_connected_v4(sk, ret);
	return 0;
}

SEC("fexit/ip6_datagram_connect")
int BPF_PROG(on_udp_connect6, struct sock *sk, struct sockaddr *uaddr, int addr_len, int ret)
{
	on_connected_v6(sk, ret);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

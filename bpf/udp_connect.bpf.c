// SPDX-License-Identifier: GPL-2.0
/*
 * udp_connect: records who connects a UDP socket, as most DNS clients do before
 * they send: their datagrams carry no address and pass no cgroup hook.
 *
 * At the exit of the kernel's connect the socket has its source port and the
 * destination as it was resolved, and no packet has left. The functions serve UDP
 * up to Linux 6.12; later ones connect it in udp_connect() and udpv6_connect(),
 * and attach.sh does not load this.
 */
#include "port_tracker.bpf.h"

static __always_inline bool is_connected_udp(const struct sock *sk, int ret)
{
	/* Raw and L2TP sockets connect here too. */
	return ret == 0 && sk->sk_protocol == IPPROTO_UDP;
}

SEC("fexit/ip4_datagram_connect")
int BPF_PROG(on_udp_connect4, struct sock *sk, struct sockaddr *uaddr, int addr_len, int ret)
{
	if (is_connected_udp(sk, ret))
		record_v4(sk->__sk_common.skc_daddr, sk->__sk_common.skc_num,
			  bpf_ntohs(sk->__sk_common.skc_dport), IPPROTO_UDP, netns_of(sk));
	return 0;
}

/* An IPv4-mapped address is left in the socket as such. */
SEC("fexit/ip6_datagram_connect")
int BPF_PROG(on_udp_connect6, struct sock *sk, struct sockaddr *uaddr, int addr_len, int ret)
{
	__u16 src_port = sk->__sk_common.skc_num;
	__u16 dst_port = bpf_ntohs(sk->__sk_common.skc_dport);
	const __u32 *dst = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32;

	if (!is_connected_udp(sk, ret))
		return 0;
	if (is_v4_mapped(dst[0], dst[1], dst[2]))
		record_v4(dst[3], src_port, dst_port, IPPROTO_UDP, netns_of(sk));
	else
		record_v6(dst[0], dst[1], dst[2], dst[3], src_port, dst_port, IPPROTO_UDP,
			  netns_of(sk));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

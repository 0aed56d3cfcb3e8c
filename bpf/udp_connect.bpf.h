/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every variant of udp_connect shares: how a UDP socket that has just been
 * connected is recorded. BPF side only.
 *
 * Most DNS clients connect before they send: their datagrams carry no address and
 * pass no cgroup hook. When the kernel's connect is done the socket has its source
 * port and the destination as it was resolved, and no packet has left.
 */
#ifndef CONNPIN_UDP_CONNECT_BPF_H
#define CONNPIN_UDP_CONNECT_BPF_H

#include "port_tracker.bpf.h"

/* To DST, an IPv6 address, IPv4-mapped or not, network byte order. */
static __always_inline void record_connected_to(const __u32 dst[4], __u16 src_port, __u16 dst_port,
						__u32 netns)
{
	if (is_v4_mapped(dst[0], dst[1], dst[2]))
		record_v4(dst[3], src_port, dst_port, IPPROTO_UDP, netns);
	else
		record_v6(dst[0], dst[1], dst[2], dst[3], src_port, dst_port, IPPROTO_UDP, netns);
}

/* The two for fexit: RET is what the kernel's function returned. Raw sockets pass too. */
static __always_inline void on_connected_v4(const struct sock *sk, int ret)
{
	if (ret == 0 && sk->sk_protocol == IPPROTO_UDP)
		record_v4(sk->__sk_common.skc_daddr, sk->__sk_common.skc_num,
			  bpf_ntohs(sk->__sk_common.skc_dport), IPPROTO_UDP, netns_of(sk));
}

/* An IPv4-mapped address is left in the socket as such. */
static __always_inline void on_connected_v6(const struct sock *sk, int ret)
{
	if (ret == 0 && sk->sk_protocol == IPPROTO_UDP)
		record_connected_to(sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32,
				    sk->__sk_common.skc_num, bpf_ntohs(sk->__sk_common.skc_dport),
				    netns_of(sk));
}

char LICENSE[] SEC("license") = "GPL";

#endif

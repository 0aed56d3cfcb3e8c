/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the variants of udp_connect share: they record a UDP socket that has just been
 * connected. BPF side only.
 *
 * Most DNS clients connect before they send: their datagrams carry no address and pass no
 * cgroup hook. When the kernel's connect returns, the socket has its source port and the
 * resolved destination, and no packet has left yet.
 */
#ifndef CONNPIN_UDP_CONNECT_BPF_H
#define CONNPIN_UDP_CONNECT_BPF_H

#include "port_tracker.bpf.h"

/* Record SK, of family AF_INET, whose connect has ended with RET. */
static __always_inline void on_connected_v4(const struct sock *sk, int ret)
{
	struct opened opened = {};

	/* Raw sockets come here as well. */
	if (ret != 0 || sk->sk_protocol != IPPROTO_UDP)
		return;
	set_v4(opened.key.dst_ip, sk->__sk_common.skc_daddr);
	set_src_v4(opened.src_ip, sk->__sk_common.skc_rcv_saddr);
	opened.key.src_port = sk->__sk_common.skc_num;
	opened.key.dst_port = bpf_ntohs(sk->__sk_common.skc_dport);
	opened.key.protocol = IPPROTO_UDP;
	set_netns(&opened, sk);
	record_v4(&opened, NULL);
}

/* The same for AF_INET6. The socket keeps an IPv4-mapped address in that form. */
static __always_inline void on_connected_v6(const struct sock *sk, int ret)
{
	const struct sock_common *common = &sk->__sk_common;
	struct opened opened = {};

	/* Without CONFIG_IPV6 there are no AF_INET6 sockets and no such member. */
	if (ret != 0 || sk->sk_protocol != IPPROTO_UDP ||
	    !bpf_core_field_exists(common->skc_v6_daddr))
		return;
	opened.key = (struct conn_key_v6) {
		.src_port = common->skc_num,
		.dst_port = bpf_ntohs(common->skc_dport),
		.protocol = IPPROTO_UDP,
	};
	for (int i = 0; i < 4; i++) {
		opened.key.dst_ip[i] = common->skc_v6_daddr.in6_u.u6_addr32[i];
		opened.src_ip[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
	}
	set_netns(&opened, sk);
	record_either(&opened);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a hook knows of a connection that is being opened: the input of the functions that
 * record it. BPF side only.
 */
#ifndef CONNPIN_OPENED_BPF_H
#define CONNPIN_OPENED_BPF_H

#include "address.bpf.h"
#include "kernel.h"
#include "port_tracker.h"

#define OPENED_SRC_OF_MESSAGE 1 /* equals IDENTITY_SRC_OF_MESSAGE */

struct opened {
	struct conn_key_v6 key; /* IPv4 as ::ffff:a.b.c.d */
	__u32 src_ip[4];	/* likewise; all 0: the socket has no address yet */
	__u64 netns_cookie;
	__u64 hash; /* identity_hash() of the key, set by expect_identity() */
	__u32 netns;
	__u8 flags;    /* OPENED_* */
	__u8 is_again; /* this may be one more datagram of a recorded connection */
	__u8 of_nobody;
	__u8 is_reply; /* a reply (udp_asked.bpf.h): takes only a free record or a reply's */
	__u8 kind;     /* IDENTITY_* of identity.h */
	__u8 is_known; /* only a record that exists already is written */
	__u8 pad[6];
	__u64 cookie; /* of the socket, or 0 */
	/* Set when the identity is written; 0 until then. */
	__u64 time;  /* of the record, ns since boot */
	__u32 place; /* of the record: place_of() of identity.bpf.h; also when it was known */
	__u32 pad2;
};

_Static_assert(sizeof(struct opened) == 96, "explicit padding");

/* What handle_sockops keeps of a connection that it has recorded, for what it counts next. */
struct recorded {
	__u64 time;  /* ns since boot; 0: nothing was recorded */
	__u32 place; /* as in struct opened */
	__u32 pad;
};

static __always_inline void set_v4(__u32 ip[4], __u32 address)
{
	ip[0] = ip[1] = 0;
	ip[2] = bpf_htonl(0xffff);
	ip[3] = address;
}

/* The socket's own address, which may not be set yet. */
static __always_inline void set_src_v4(__u32 ip[4], __u32 address)
{
	if (address)
		set_v4(ip, address);
}

/*
 * The cookie of a network namespace, as SO_NETNS_COOKIE gives it. Unlike the namespace's
 * inode number it is never reused. Linux 6.18 and later have it as ns_id. 0: this kernel
 * has none.
 */
static __always_inline __u64 netns_cookie_of(const struct net *net)
{
	if (bpf_core_field_exists(net->net_cookie))
		return net->net_cookie;
	if (bpf_core_field_exists(net->ns.ns_id))
		return net->ns.ns_id;
	return 0;
}

static __always_inline void set_netns(struct opened *opened, const struct sock *sk)
{
#ifndef PID_ONLY
	const struct net *net = sk->__sk_common.skc_net.net;

	opened->netns_cookie = netns_cookie_of(net);
	opened->netns = net->ns.inum;
#endif
}

/* Fill in ports, addresses, protocol and namespace of SK, whose type the verifier knows. */
static __always_inline void set_connection(struct opened *opened, const struct sock *sk)
{
	const struct sock_common *common = &sk->__sk_common;

	opened->key.src_port = common->skc_num;
	opened->key.dst_port = bpf_ntohs(common->skc_dport);
	opened->key.protocol = sk->sk_protocol;
	set_netns(opened, sk);
	if (common->skc_family == AF_INET) {
		set_v4(opened->key.dst_ip, common->skc_daddr);
		set_src_v4(opened->src_ip, common->skc_rcv_saddr);
		return;
	}
	/* Without CONFIG_IPV6 there are no AF_INET6 sockets and no such member. */
	if (!bpf_core_field_exists(common->skc_v6_daddr))
		return;
	for (int i = 0; i < 4; i++) {
		opened->key.dst_ip[i] = common->skc_v6_daddr.in6_u.u6_addr32[i];
		opened->src_ip[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
	}
}

#endif

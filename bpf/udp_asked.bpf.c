// SPDX-License-Identifier: GPL-2.0
/*
 * udp_asked: remembers the peers that send to an unconnected UDP socket first, so that
 * port_tracker recognizes a reply (cgroup/recvmsg4, cgroup/recvmsg6). It observes and
 * always allows.
 *
 * These hooks run in the reading task when a datagram is read together with its sender's
 * address, as by recvfrom(2). What a client reads answers what it sent itself, so the
 * connection table has that destination, and it is not remembered.
 */
#include "address.bpf.h"
#include "port_tracker.bpf.h"
#include "udp_asked.bpf.h"

/* Whether this socket, or another one on its port, has sent to that destination by itself. */
static __always_inline bool has_sent(const struct conn_key_v6 *to)
{
	struct conn_key_v4 key = {
		.dst_ip = to->dst_ip[3],
		.src_port = to->src_port,
		.dst_port = to->dst_port,
		.protocol = to->protocol,
	};

	if (is_v4_mapped(to->dst_ip[0], to->dst_ip[1], to->dst_ip[2]))
		return bpf_map_lookup_elem(&conn_to_pid_v4, &key) != NULL;
	return bpf_map_lookup_elem(&conn_to_pid_v6, to) != NULL;
}

/* Remember a peer. FROM is the key that a datagram to it would have. */
static __always_inline void remember(__u64 cookie, const struct conn_key_v6 *from)
{
	struct udp_asked *asked = asked_at(cookie, from);

	if (!asked || is_asker(asked, cookie, from) || has_sent(from))
		return;
	asked->cookie = cookie;
	asked->ip[0] = from->dst_ip[0];
	asked->ip[1] = from->dst_ip[1];
	asked->ip[2] = from->dst_ip[2];
	asked->ip[3] = from->dst_ip[3];
	asked->port = from->dst_port;
}

SEC("cgroup/recvmsg4")
int handle_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct conn_key_v6 from = {};

	if (!sk || sk->dst_port != 0)
		return 1;
	set_v4(from.dst_ip, ctx->user_ip4);
	from.protocol = IPPROTO_UDP;
	from.src_port = sk->src_port;
	from.dst_port = bpf_ntohs(ctx->user_port);
	remember(bpf_get_socket_cookie(ctx), &from);
	return 1;
}

SEC("cgroup/recvmsg6")
int handle_recvmsg6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct conn_key_v6 from = {};

	if (!sk || sk->dst_port != 0)
		return 1;
	from.dst_ip[0] = READ_ONCE(ctx->user_ip6[0]);
	from.dst_ip[1] = READ_ONCE(ctx->user_ip6[1]);
	from.dst_ip[2] = READ_ONCE(ctx->user_ip6[2]);
	from.dst_ip[3] = READ_ONCE(ctx->user_ip6[3]);
	from.protocol = IPPROTO_UDP;
	from.src_port = sk->src_port;
	from.dst_port = bpf_ntohs(ctx->user_port);
	remember(bpf_get_socket_cookie(ctx), &from);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";

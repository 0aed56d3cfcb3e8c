/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records which process opens a TCP connection, from sock_ops. BPF side only; a part of
 * handle_sockops (port_tracker.bpf.c).
 */
#ifndef CONNPIN_TCP_OPENS_BPF_H
#define CONNPIN_TCP_OPENS_BPF_H

#include "port_tracker.bpf.h"

#if HAS(TCP_OPENS)
#ifndef PID_ONLY
/* Whether TP is a further subflow of an MPTCP connection. */
static __always_inline bool is_join(struct tcp_sock *tp)
{
	struct mptcp_subflow_context *subflow;

	if (!bpf_core_field_exists(tp->is_mptcp) || !tp->is_mptcp)
		return false;
	subflow = BPF_CORE_READ((struct inet_connection_sock *)tp, icsk_ulp_data);
	return BPF_CORE_READ_BITFIELD_PROBED(subflow, request_join);
}

/* Take what only the socket has. */
static __always_inline void look_at_socket(struct opened *opened, struct tcp_sock *tp)
{
	opened->of_nobody = is_join(tp);
	set_netns(opened, (struct sock *)tp);
}
#else
/* The PID-only variant records a subflow that "ip mptcp" asked for as that command's. */
static __always_inline void look_at_socket(struct opened *opened, struct tcp_sock *tp)
{
}
#endif

/* The current process connects the socket of CTX, which is TP. */
static __noinline void record_connect(struct bpf_sock_ops *ctx, struct tcp_sock *tp,
				      struct recorded *recorded)
{
	struct opened opened = {};

	look_at_socket(&opened, tp);
#if HAS(TCP_EVENTS) && !defined(PID_ONLY)
	opened.kind = IDENTITY_WATCHED;
#endif
	opened.key.src_port = ctx->local_port;
	opened.key.dst_port = bpf_ntohl(ctx->remote_port);
	opened.key.protocol = IPPROTO_TCP;

	/* The route has been chosen by now, and with it the source address. */
	if (ctx->family == AF_INET) {
		set_v4(opened.key.dst_ip, ctx->remote_ip4);
		set_src_v4(opened.src_ip, ctx->local_ip4);
		record_v4(&opened, NULL);
	} else if (ctx->family == AF_INET6) {
		opened.key.dst_ip[0] = READ_ONCE(ctx->remote_ip6[0]);
		opened.key.dst_ip[1] = READ_ONCE(ctx->remote_ip6[1]);
		opened.key.dst_ip[2] = READ_ONCE(ctx->remote_ip6[2]);
		opened.key.dst_ip[3] = READ_ONCE(ctx->remote_ip6[3]);
		opened.src_ip[0] = READ_ONCE(ctx->local_ip6[0]);
		opened.src_ip[1] = READ_ONCE(ctx->local_ip6[1]);
		opened.src_ip[2] = READ_ONCE(ctx->local_ip6[2]);
		opened.src_ip[3] = READ_ONCE(ctx->local_ip6[3]);
		record_either(&opened);
	}
	recorded->time = opened.time;
	recorded->place = opened.place;
}
#else
static __always_inline void record_connect(struct bpf_sock_ops *ctx, struct tcp_sock *tp,
					   struct recorded *recorded)
{
}
#endif

#endif

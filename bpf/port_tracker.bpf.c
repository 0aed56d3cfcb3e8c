// SPDX-License-Identifier: GPL-2.0
/*
 * port_tracker: records which process opens a TCP connection (sock_ops) or sends a UDP
 * datagram (cgroup/sendmsg4, cgroup/sendmsg6). The sock_ops program also counts the state
 * changes of TCP (tcp_events.bpf.h): a second program at that hook would run some thirteen
 * times in the life of a connection to find the same socket.
 *
 * It observes and always allows. Where a process is recorded, all three hooks run in the
 * task that made the system call, never in softirq, so that task is `current`. (A deferred
 * Fast Open connect is recorded in the first write, by the process that sends.) There are
 * two exceptions: a connect by a kernel thread, as for NFS, which belongs to no process;
 * and further subflows of an MPTCP connection, opened by a kernel thread or by the process
 * that told the kernel an address ("ip mptcp"), whose owner is not known here. Both are
 * recorded without an owner: no answer is better than a kworker, or than the process that
 * had the port before.
 *
 * A connected UDP socket sends without an address and passes none of these hooks:
 * udp_connect records it when it connects.
 */
#include "port_tracker.bpf.h"

/*
 * The parts in this object: all of them, or some in each variant (bpf/variants), for
 * kernels that refuse one of them and for a CGROUP that is not the root.
 */
#define TCP_OPENS 1
#define UDP_SENDS_V4 2
#define UDP_SENDS_V6 4
#define TCP_EVENTS 8
#ifndef PARTS
#define PARTS TCP_OPENS | UDP_SENDS_V4 | UDP_SENDS_V6 | TCP_EVENTS
#endif
#define HAS(parts) ((PARTS) & (parts))

#if HAS(TCP_OPENS) && !defined(PLAIN) && !defined(PID_ONLY) && !defined(NO_INBOUND)
#define HAS_INBOUND
#include "inbound.bpf.h"
#endif
#if HAS(TCP_OPENS | TCP_EVENTS)
#include "tcp_events.bpf.h"
#include "tcp_opens.bpf.h"
#endif

#if HAS(UDP_SENDS_V4 | UDP_SENDS_V6)
/*
 * Set the socket's network namespace. It is nearly always that of the sender, whose number
 * a load gives. The socket's own takes three more calls, because a context has no BTF
 * pointer.
 */
static __always_inline void set_netns_of_sender(struct opened *opened, struct bpf_sock_addr *ctx)
{
#ifndef PID_ONLY
	struct net *net = bpf_get_current_task_btf()->nsproxy->net_ns;
	struct bpf_sock_addr_kern *kern = (void *)ctx;
	struct sock *sk;

	opened->netns_cookie = bpf_get_netns_cookie(ctx);
	if (opened->netns_cookie == netns_cookie_of(net))
		opened->netns = net->ns.inum;
	else if (bpf_core_read(&sk, sizeof(sk), &kern->sk) == 0)
		opened->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
#endif
}

/* Whether MAP and the record of OPENED, for whose socket CTX is, have this process already. */
static __always_inline bool is_as_recorded(struct opened *opened, struct bpf_sock_addr *ctx,
					   void *map, const void *key)
{
#ifndef PID_ONLY
	conn_pid *known;

	opened->cookie = bpf_get_socket_cookie(ctx);
	if (!is_recorded(opened))
		return false;
	/* This also tells the map that the entry is in use. */
	known = bpf_map_lookup_elem(map, key);
	return known && *known == (conn_pid)bpf_get_current_task_btf()->tgid;
#else
	return false;
#endif
}
#endif

#if HAS(TCP_OPENS | TCP_EVENTS)
#ifndef PID_ONLY
static __always_inline struct tcp_sock *socket_of(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	return sk ? bpf_skc_to_tcp_sock(sk) : NULL;
}

/*
 * The kernel runs it some thirteen times in the life of a connection; most runs return at
 * once.
 */
SEC("sockops")
int handle_sockops(struct bpf_sock_ops *ctx)
{
	struct recorded recorded = {};
	__u32 op = ctx->op;
	struct tcp_sock *tp;
	bool is_new;

	if (op == BPF_SOCK_OPS_TCP_CONNECT_CB) {
		tp = socket_of(ctx);
		if (!tp)
			return 1;
		is_new = begin_connect(ctx, tp);
		record_connect(ctx, tp, &recorded);
		count_connect(tp, is_new, &recorded);
		return 1;
	}
#ifdef HAS_INBOUND
	if (op == BPF_SOCK_OPS_TCP_LISTEN_CB || op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) {
		tp = socket_of(ctx);
		if (!tp)
			return 1;
		if (op == BPF_SOCK_OPS_TCP_LISTEN_CB) {
			record_listener(tp, HAS(TCP_EVENTS) ? IDENTITY_WATCHED : 0);
			/* Ask for its state changes, to see when it closes. */
			begin_listen(ctx, tp);
			return 1;
		}
		/* One that connects itself, or meets the other half way, has an opener. */
		if (!((struct sock *)tp)->sk_socket)
			record_inbound(tp, HAS(TCP_EVENTS) ? IDENTITY_WATCHED : 0, &recorded);
	}
#endif
	if (is_event(ctx, op)) {
		tp = socket_of(ctx);
		if (tp)
			count_event(ctx, op, tp, &recorded);
	}
	return 1;
}
#else
SEC("sockops")
int handle_sockops(struct bpf_sock_ops *ctx)
{
	struct recorded recorded;

	if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		record_connect(ctx, NULL, &recorded);
	return 1;
}
#endif
#endif

#if HAS(UDP_SENDS_V4)
/*
 * The hook also runs for an AF_INET6 socket that sends to an IPv4-mapped address, and for a
 * connected socket that sends with a control message: then the context has no destination,
 * and the socket's own is used.
 *
 * It runs before the kernel looks up a route, so the datagram may never leave. The source
 * is the address that the socket is bound to, or the one that the message carries; without
 * either it is not known yet.
 */
SEC("cgroup/sendmsg4")
int handle_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	__u16 dst_port = bpf_ntohs(ctx->user_port);
	__u32 dst = ctx->user_ip4, src = ctx->msg_src_ip4;
	struct opened opened = {};
	struct conn_key_v4 key;

	/* UDP-Lite (136) passes here too; the table does not have it. */
	if (!sk || ctx->protocol != IPPROTO_UDP)
		return 1;
	if (dst_port == 0) {
		dst = sk->dst_ip4;
		dst_port = bpf_ntohs(sk->dst_port);
	}
	/*
	 * ip_route_output_key_hash_rcu(): 0.0.0.0 means the source or, without one,
	 * loopback.
	 */
	if (dst == 0)
		dst = src ? src : bpf_htonl(0x7f000001);
	set_v4(opened.key.dst_ip, dst);
	set_src_v4(opened.src_ip, src);
	if (src && src != sk->src_ip4)
		opened.flags = OPENED_SRC_OF_MESSAGE;
	opened.key.src_port = sk->src_port;
	opened.key.dst_port = dst_port;
	opened.key.protocol = IPPROTO_UDP;
	key = key_v4(&opened);
	if (is_as_recorded(&opened, ctx, &conn_to_pid_v4, &key))
		return 1;
	set_netns_of_sender(&opened, ctx);
	record_v4(&opened, ctx);
	return 1;
}
#endif

#if HAS(UDP_SENDS_V6)
SEC("cgroup/sendmsg6")
int handle_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	__u16 dst_port = bpf_ntohs(ctx->user_port);
	__u32 dst0, dst1, dst2, dst3, src0, src1, src2, src3;
	struct opened opened = {};

	if (!sk || ctx->protocol != IPPROTO_UDP)
		return 1;
	dst0 = READ_ONCE(ctx->user_ip6[0]);
	dst1 = READ_ONCE(ctx->user_ip6[1]);
	dst2 = READ_ONCE(ctx->user_ip6[2]);
	dst3 = READ_ONCE(ctx->user_ip6[3]);
	if (dst_port == 0) {
		dst0 = READ_ONCE(sk->dst_ip6[0]);
		dst1 = READ_ONCE(sk->dst_ip6[1]);
		dst2 = READ_ONCE(sk->dst_ip6[2]);
		dst3 = READ_ONCE(sk->dst_ip6[3]);
		dst_port = bpf_ntohs(sk->dst_port);
	}
	/* udpv6_sendmsg(): :: means ::1. */
	if (!(dst0 | dst1 | dst2 | dst3))
		dst3 = bpf_htonl(1);
	src0 = READ_ONCE(ctx->msg_src_ip6[0]);
	src1 = READ_ONCE(ctx->msg_src_ip6[1]);
	src2 = READ_ONCE(ctx->msg_src_ip6[2]);
	src3 = READ_ONCE(ctx->msg_src_ip6[3]);
	if ((src0 | src1 | src2 | src3) &&
	    (src0 != READ_ONCE(sk->src_ip6[0]) || src1 != READ_ONCE(sk->src_ip6[1]) ||
	     src2 != READ_ONCE(sk->src_ip6[2]) || src3 != READ_ONCE(sk->src_ip6[3])))
		opened.flags = OPENED_SRC_OF_MESSAGE;
	opened.key = (struct conn_key_v6) {
		.dst_ip = { dst0, dst1, dst2, dst3 },
		.src_port = sk->src_port,
		.dst_port = dst_port,
		.protocol = IPPROTO_UDP,
	};
	opened.src_ip[0] = src0;
	opened.src_ip[1] = src1;
	opened.src_ip[2] = src2;
	opened.src_ip[3] = src3;
	if (is_as_recorded(&opened, ctx, &conn_to_pid_v6, &opened.key))
		return 1;
	set_netns_of_sender(&opened, ctx);
	record_v6(&opened, ctx);
	return 1;
}
#endif

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/*
 * port_tracker: records which process opens a TCP connection (sock_ops) or
 * sends a UDP datagram (cgroup/sendmsg4, cgroup/sendmsg6).
 *
 * It observes and always allows. All three hooks run in the task that made the
 * system call, so the process is `current`; none runs in softirq. (A deferred
 * Fast Open connect is recorded in the first writer, which is who sends it.) The
 * exceptions: a connect that a kernel thread makes, for NFS, which no process owns; and
 * the further subflows of an MPTCP connection, which a kernel thread opens or whoever
 * told the kernel of an address ("ip mptcp"), and whose owner can't be told here. None of
 * these is recorded: no answer is better than a kworker's.
 *
 * A UDP socket that was connected sends without an address, and passes none of
 * these hooks: udp_connect records it when it connects.
 */
#include "port_tracker.bpf.h"

/*
 * Which of the hooks are in this object: all, or where the kernel refuses one of them, one
 * object each (bpf/variants).
 */
#define TCP_OPENS 1
#define UDP_SENDS_V4 2
#define UDP_SENDS_V6 4
#ifndef PARTS
#define PARTS (TCP_OPENS | UDP_SENDS_V4 | UDP_SENDS_V6)
#endif

/*
 * Keeps clang from making one load through a computed pointer out of two, which
 * the verifier refuses for sockets and contexts.
 */
#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))

#if PARTS & (UDP_SENDS_V4 | UDP_SENDS_V6)
#ifndef PID_ONLY
/*
 * The socket's network namespace. Nearly always the sender's, whose number is at
 * hand; a socket's own takes three more calls, because a context gives no BTF pointer.
 */
static __always_inline __u32 netns_of_sender(struct bpf_sock_addr *ctx)
{
	struct net *net = bpf_get_current_task_btf()->nsproxy->net_ns;
	struct bpf_sock_addr_kern *kern = (void *)ctx;
	struct sock *sk;

	if (bpf_get_netns_cookie(ctx) == net->net_cookie)
		return net->ns.inum;
	if (bpf_core_read(&sk, sizeof(sk), &kern->sk))
		return 0;
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

#else
static __always_inline __u32 netns_of_sender(struct bpf_sock_addr *ctx)
{
	return 0;
}
#endif
#endif

#if PARTS & TCP_OPENS
#ifndef PID_ONLY
/* Whether the connect is of a further subflow of an MPTCP connection. */
static __always_inline bool is_join(struct tcp_sock *tp)
{
	struct mptcp_subflow_context *subflow;

	if (!bpf_core_field_exists(tp->is_mptcp) || !tp->is_mptcp)
		return false;
	subflow = BPF_CORE_READ((struct inet_connection_sock *)tp, icsk_ulp_data);
	return BPF_CORE_READ_BITFIELD_PROBED(subflow, request_join);
}

/* Whether it is nobody's connect, or can't be looked at; into NETNS what identify() wants. */
static __always_inline bool is_nobodys(struct bpf_sock *sk, __u32 *netns)
{
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (!tp || is_join(tp))
		return true;
	*netns = netns_of((struct sock *)tp);
	return false;
}
#else
/* A further subflow that "ip mptcp" asked for can't be told: it is that command's. */
static __always_inline bool is_nobodys(struct bpf_sock *sk, __u32 *netns)
{
	*netns = 0;
	return false;
}
#endif

SEC("sockops")
int handle_sockops(struct bpf_sock_ops *ctx)
{
	__u32 dst0, dst1, dst2, dst3;
	__u16 src_port, dst_port;
	__u32 netns;

	/* One of about nine calls in the life of a connection: the others leave here. */
	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
		return 1;

	if (is_nobodys(ctx->sk, &netns))
		return 1;
	src_port = ctx->local_port;
	dst_port = bpf_ntohl(ctx->remote_port);

	if (ctx->family == AF_INET) {
		record_v4(ctx->remote_ip4, src_port, dst_port, IPPROTO_TCP, netns);
	} else if (ctx->family == AF_INET6) {
		dst0 = ctx->remote_ip6[0];
		dst1 = ctx->remote_ip6[1];
		dst2 = ctx->remote_ip6[2];
		dst3 = ctx->remote_ip6[3];
		if (is_v4_mapped(dst0, dst1, dst2))
			record_v4(dst3, src_port, dst_port, IPPROTO_TCP, netns);
		else
			record_v6(dst0, dst1, dst2, dst3, src_port, dst_port, IPPROTO_TCP, netns);
	}
	return 1;
}

#endif

#if PARTS & UDP_SENDS_V4
/*
 * Also runs for an AF_INET6 socket that sends to an IPv4-mapped address, and
 * for a connected socket that sends with a control message: then the context
 * has no destination and the socket's own is the one that is used.
 */
SEC("cgroup/sendmsg4")
int handle_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	__u16 dst_port = bpf_ntohs(ctx->user_port);
	__u32 dst = ctx->user_ip4;

	/* UDP-Lite (136) passes here too and is nobody's question. */
	if (!sk || ctx->protocol != IPPROTO_UDP)
		return 1;
	if (dst_port == 0) {
		dst = sk->dst_ip4;
		dst_port = bpf_ntohs(sk->dst_port);
	}
	/* ip_route_output_key_hash_rcu(): 0.0.0.0 means the source, or loopback. */
	if (dst == 0)
		dst = sk->src_ip4 ? sk->src_ip4 : bpf_htonl(0x7f000001);
	record_v4(dst, sk->src_port, dst_port, IPPROTO_UDP, netns_of_sender(ctx));
	return 1;
}

#endif

#if PARTS & UDP_SENDS_V6
SEC("cgroup/sendmsg6")
int handle_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	__u16 dst_port = bpf_ntohs(ctx->user_port);
	__u32 dst0, dst1, dst2, dst3;

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
	record_v6(dst0, dst1, dst2, dst3, sk->src_port, dst_port, IPPROTO_UDP,
		  netns_of_sender(ctx));
	return 1;
}

#endif

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_resets_sent_early: tcp_resets_sent for Linux before 6.10. There the tracepoint misses
 * the RSTs that no full socket sends: the answers for a closed port, a half-open connection
 * or a TIME_WAIT socket. Two more programs count these.
 *
 * tcp_v4_send_reset() and tcp_v6_send_reset() return without sending in two cases, repeated
 * here from net/ipv4/tcp_ipv4.c and net/ipv6/tcp_ipv6.c of 6.1: the segment is itself a
 * RST, or there is no socket and the packet was not for this host. With a full socket the
 * tracepoint counts. A third case, a bad TCP-MD5 signature, can't be told apart and counts
 * as sent.
 */
#include "tcp_metrics.bpf.h"

#define SKB_DST_PTRMASK (~1UL) /* include/linux/skbuff.h: bit 0 is "not counted" */

/* The tracepoint fires for full sockets; as sk_fullsock() of include/net/sock.h. */
static __always_inline bool is_traced(const struct sock *sk)
{
	__u8 state = sk->__sk_common.skc_state;

	return state != TCP_TIME_WAIT && state != TCP_NEW_SYN_RECV;
}

static __always_inline void on_reply_reset(const struct sock *sk, const struct sk_buff *skb,
					   bool for_this_host)
{
	if (sk ? is_traced(sk) : !for_this_host)
		return;
	if (!is_reset(skb))
		on_reset_sent();
}

SEC("raw_tp/tcp_send_reset")
int on_send_reset(void *ctx)
{
	on_reset_sent();
	return 0;
}

SEC("fentry/tcp_v4_send_reset")
int BPF_PROG(on_v4_send_reset, const struct sock *sk, struct sk_buff *skb)
{
	struct rtable *rt = (void *)(skb->_skb_refdst & SKB_DST_PTRMASK);

	on_reply_reset(sk, skb, BPF_CORE_READ(rt, rt_type) == RTN_LOCAL);
	return 0;
}

SEC("fentry/tcp_v6_send_reset")
int BPF_PROG(on_v6_send_reset, const struct sock *sk, struct sk_buff *skb)
{
	struct rt6_info *rt = (void *)(skb->_skb_refdst & SKB_DST_PTRMASK);

	on_reply_reset(sk, skb, BPF_CORE_READ(rt, rt6i_flags) & RTF_LOCAL);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

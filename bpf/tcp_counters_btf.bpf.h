/* SPDX-License-Identifier: GPL-2.0 */
/* tcp_counters.bpf.h for programs whose socket the verifier knows by type. BPF side only. */
#ifndef CONNPIN_TCP_COUNTERS_BTF_BPF_H
#define CONNPIN_TCP_COUNTERS_BTF_BPF_H

#include "tcp_counters.bpf.h"
#include "tcp_traced.bpf.h"

static __always_inline void count_traced_change(struct sock *sk, int from, int to)
{
	struct tcp_sock *tp;

	if (from == to || (to != TCP_ESTABLISHED && to != TCP_CLOSE))
		return;
	/* MPTCP parent (262) and SCTP (132) sockets pass the tracepoint as well. */
	if (sk->sk_protocol != IPPROTO_TCP || is_left_to_events(sk, to))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp)
		count_change(from, to, family_of(sk), sk->sk_err, tp->segs_out);
}

#endif

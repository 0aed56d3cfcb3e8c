/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which state changes a tracing program leaves to tcp_events, for the sockets that
 * tcp_events follows. BPF side only.
 */
#ifndef CONNPIN_TCP_TRACED_BPF_H
#define CONNPIN_TCP_TRACED_BPF_H

#include "tcp_metrics.bpf.h"
#include "tcp_settings.bpf.h"

/*
 * Whether tcp_events counts this change. It does not see a socket before the SYN, which is
 * too late only for a Fast Open connect that waits for data. It is never told of LISTEN.
 */
static __always_inline bool is_left_to_events(struct sock *sk, int to)
{
	struct tcp_settings *settings;
	struct tcp_sock *tp;
	__u32 key = 0;

	if (to == TCP_LISTEN)
		return false;
	settings = bpf_map_lookup_elem(&tcp_settings, &key);
	if (!settings || !settings->by_events)
		return false;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return false;
	if (to == TCP_SYN_SENT)
		return !BPF_CORE_READ_BITFIELD(tp, fastopen_connect);
	return tp->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG;
}

#endif

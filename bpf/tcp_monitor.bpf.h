/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every variant of tcp_monitor shares: the map and the state machine. BPF
 * side only.
 *
 * The entries differ in how they learn of a state change and in nothing else.
 */
#ifndef CONNPIN_TCP_MONITOR_BPF_H
#define CONNPIN_TCP_MONITOR_BPF_H

#include "kernel.h"
#include "tcp_monitor.h"

/* States of enum in include/net/tcp_states.h: userspace ABI through /proc/net/tcp. */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_NEW_SYN_RECV 12

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TCP_METRICS_ENTRIES);
	__type(key, __u32);
	__type(value, struct tcp_metrics);
} tcp_metrics SEC(".maps");

static __always_inline struct tcp_metrics *metrics(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&tcp_metrics, &key);
}

/*
 * Atomic although the memory is this CPU's own: a softirq may come between the
 * load and the store of a plain increment and count on the same CPU.
 */
static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/* Either source may report a change to the same state; none of those counts. */
static __always_inline void on_state_change(const struct sock *sk, int from, int to)
{
	struct tcp_metrics *m;

	if (from != TCP_SYN_SENT && from != TCP_SYN_RECV)
		return;
	/* An MPTCP parent (262) or SCTP (132) socket passes the tracepoint as well. */
	if (sk->sk_protocol != IPPROTO_TCP)
		return;
	m = metrics();
	if (!m)
		return;
	if (from == TCP_SYN_SENT && to == TCP_ESTABLISHED)
		count(&m->active_connections);
	else if (from == TCP_SYN_SENT && to == TCP_CLOSE)
		count(&m->failed_connections);
	else if (from == TCP_SYN_RECV && to == TCP_ESTABLISHED)
		count(&m->passive_connections);
}

static __always_inline void on_reset_received(void)
{
	struct tcp_metrics *m = metrics();

	if (m)
		count(&m->resets_received);
}

#define TCP_FLAGS_OFFSET 13 /* of the byte with the flags in a TCP header, RFC 9293 */
#define TCP_FLAG_RST 0x04

/* Whether a received segment, whose header is parsed, is a reset. */
static __always_inline bool is_reset(const struct sk_buff *skb)
{
	__u8 flags = 0;

	bpf_probe_read_kernel(&flags, sizeof(flags),
			      skb->head + skb->transport_header + TCP_FLAGS_OFFSET);
	return flags & TCP_FLAG_RST;
}

char LICENSE[] SEC("license") = "GPL";

#endif

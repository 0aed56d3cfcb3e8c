/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The TCP counters as the programs write them, and what a state change or a segment counts
 * as. BPF side only. It needs nothing that Linux 5.10 lacks.
 */
#ifndef CONNPIN_TCP_METRICS_BPF_H
#define CONNPIN_TCP_METRICS_BPF_H

#include "address.bpf.h"
#include "tcp_monitor.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TCP_METRICS_ENTRIES);
	__type(key, __u32);
	__type(value, struct tcp_metrics);
} tcp_metrics SEC(".maps");

static __always_inline struct tcp_metrics *metrics(void)
{
	__u32 key = TCP_METRICS_LIVE;

	return bpf_map_lookup_elem(&tcp_metrics, &key);
}

/*
 * Atomic, although the memory is this CPU's own: a softirq may come between the load and
 * the store of a plain increment and count on the same CPU.
 */
static __always_inline void add(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

static __always_inline void count(__u64 *counter)
{
	add(counter, 1);
}

/* The family of the packets: an IPv4-mapped address counts as IPv4. */
static __always_inline __u32 family_of(const struct sock *sk)
{
	const __u32 *dst;

	/* The member exists only in kernels with IPv6. */
	if (!bpf_core_field_exists(sk->__sk_common.skc_v6_daddr))
		return TCP_IPV4;
	dst = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32;
	if (sk->__sk_common.skc_family != AF_INET6 || is_v4_mapped(dst[0], dst[1], dst[2]))
		return TCP_IPV4;
	return TCP_IPV6;
}

/*
 * Why a socket went from SYN_SENT to CLOSE. If the network or the peer was the reason, the
 * kernel has set the error first. Without an error this host gave up: before it sent
 * anything (no port was free, or a Fast Open waiting for data was closed), or after.
 */
static __always_inline __u32 failure_reason(int err, __u32 segs_out)
{
	switch (err) {
	case 0:
		return segs_out ? TCP_ABORTED : TCP_LOCAL;
	case ECONNABORTED: /* "ss -K" and the like */
		return TCP_ABORTED;
	case ECONNREFUSED:
		return TCP_REFUSED;
	case ETIMEDOUT:
		return TCP_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENONET:
		return TCP_UNREACHABLE;
	default:
		return TCP_OTHER;
	}
}

/* Half of all changes are steps of a close, and none of those is counted. */
static __always_inline bool is_counted(int to)
{
	return to == TCP_ESTABLISHED || to == TCP_CLOSE || to == TCP_SYN_SENT || to == TCP_LISTEN;
}

static __always_inline void on_reset_sent(void)
{
	struct tcp_metrics *m = metrics();

	if (m)
		count(&m->resets_sent);
}

static __always_inline void on_reset_received(void)
{
	struct tcp_metrics *m = metrics();

	if (m)
		count(&m->resets_received);
}

#define TCP_FLAGS_OFFSET 13 /* offset of the flags in a TCP header, RFC 9293 */
#define TCP_FLAG_RST 0x04

/* Whether a received segment, whose header is parsed, is a reset. */
static __always_inline bool is_reset(const struct sk_buff *skb)
{
	__u8 flags = 0;

	bpf_probe_read_kernel(&flags, sizeof(flags),
			      skb->head + skb->transport_header + TCP_FLAGS_OFFSET);
	return flags & TCP_FLAG_RST;
}

#endif

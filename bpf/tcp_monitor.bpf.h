/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every variant of tcp_monitor shares: the map and the state machine. BPF
 * side only.
 *
 * The entries differ in how they learn of a state change and in nothing else.
 */
#ifndef CONNPIN_TCP_MONITOR_BPF_H
#define CONNPIN_TCP_MONITOR_BPF_H

#include "address.bpf.h"
#include "tcp_monitor.h"
#include "tcp_cgroups.bpf.h"
#include "tcp_sockets.bpf.h"

/* States of enum in include/net/tcp_states.h: userspace ABI through /proc/net/tcp. */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_LISTEN 10
#define TCP_NEW_SYN_RECV 12

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
 * Atomic although the memory is this CPU's own: a softirq may come between the
 * load and the store of a plain increment and count on the same CPU.
 */
static __always_inline void add(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

static __always_inline void count(__u64 *counter)
{
	add(counter, 1);
}

/*
 * The bucket of VALUE: how many of the bounds it is above. A chain of comparisons with
 * constants, so that no table is needed; functions of their own, so that the verifier
 * goes on with one answer, not one for each bucket.
 */
#define TCP_ABOVE_BOUND(bound, text) +(value > (bound))

__noinline __u32 connect_bucket(__u64 value)
{
	return 0 TCP_CONNECT_BOUNDS_NS(TCP_ABOVE_BOUND);
}

__noinline __u32 lifetime_bucket(__u64 value)
{
	return 0 TCP_LIFETIME_BOUNDS_NS(TCP_ABOVE_BOUND);
}

__noinline __u32 round_trip_bucket(__u32 value)
{
	return 0 TCP_ROUND_TRIP_BOUNDS_8TH_US(TCP_ABOVE_BOUND);
}

static __always_inline void observe(__u64 *buckets, __u32 size, __u32 bucket, __u64 *sum,
				    __u64 value)
{
	/* The register that is checked has to be the one that is used. */
	barrier_var(bucket);
	if (bucket >= size)
		return;
	count(&buckets[bucket]);
	add(sum, value);
}

/* The family of what travels: that of an IPv4-mapped address is IPv4. */
static __always_inline __u32 family_of(const struct sock *sk)
{
	const __u32 *dst = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32;

	if (sk->__sk_common.skc_family != AF_INET6 || is_v4_mapped(dst[0], dst[1], dst[2]))
		return TCP_IPV4;
	return TCP_IPV6;
}

/*
 * Why SYN_SENT came to CLOSE. The kernel sets the error first when the network or
 * the peer gave one; without one this host gave up: before it had sent anything (no
 * port was left, or a Fast Open that waits for data was closed), or after.
 */
static __always_inline __u32 failure_reason(const struct sock *sk, const struct tcp_sock *tp)
{
	switch (sk->sk_err) {
	case 0:
		return tp->segs_out ? TCP_ABORTED : TCP_LOCAL;
	case ECONNABORTED: /* "ss -K" and its like */
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

/* A FIN counts as a byte in bytes_received; SOCK_DONE says that one came. */
static __always_inline __u64 received_bytes(__u64 bytes_received, unsigned long flags)
{
	return bytes_received - (flags >> SOCK_DONE & 1);
}

/*
 * Count what a connection of the cgroup at PLACE carried since it was last counted.
 * Signed: a retransmission that had no memory makes the bytes sent one segment less.
 */
static __always_inline void count_traffic(struct tcp_metrics *m, __u32 place,
					  const struct known_socket *known, __u64 sent,
					  __u64 received, __u32 retransmitted)
{
	struct tcp_cgroup_counters *counters = counters_of(place);
	__u32 direction = known->direction;
	struct tcp_traffic *traffic;

	/* The register that is checked has to be the one that is used, at once. */
	barrier_var(direction);
	if (direction >= TCP_DIRECTIONS)
		return;
	traffic = &m->traffic[direction];
	barrier_var(traffic);
	if (!counters)
		return;
	if ((__s64)(sent - known->sent) > 0) {
		add(&traffic->sent, sent - known->sent);
		add(&counters->sent, sent - known->sent);
	}
	if ((__s64)(received - known->received) > 0) {
		add(&traffic->received, received - known->received);
		add(&counters->received, received - known->received);
	}
	if (retransmitted != known->retransmitted)
		add(&traffic->retransmitted, retransmitted - known->retransmitted);
}

/* Without a cookie so far it can't have a place. To be asked before something gives it one. */
static __always_inline bool is_new_socket(const struct sock *sk)
{
	return !sk->__sk_common.skc_cookie.counter;
}

static __always_inline void keep_socket(struct tcp_metrics *m, struct sock *sk, __u64 now,
					__u32 direction, bool is_new)
{
	struct known_socket known = { .start_ns = now, .direction = direction };

	if (!put_socket(cookie_of(sk), sk, &known, is_new))
		count(&m->sockets_full);
}

static __always_inline void on_established(struct tcp_metrics *m, struct sock *sk, int from)
{
	__u64 now = bpf_ktime_get_ns(), start, took;
	struct tcp_cgroup_counters *counters;
	__u32 place;

	if (from != TCP_SYN_SENT && from != TCP_SYN_RECV)
		return;
	place = place_of_cgroup(sk);
	counters = counters_of(place);
	if (!counters)
		return;
	if (from == TCP_SYN_RECV) {
		count(&m->passive[family_of(sk)]);
		count(&counters->passive);
		keep_socket(m, sk, now, TCP_PASSIVE, is_new_socket(sk));
		return;
	}
	count(&m->active[family_of(sk)]);
	count(&counters->active);
	start = restart_socket(sk, now);
	if (!start)
		return;
	took = now - start;
	observe(m->connect, TCP_CONNECT_BUCKETS, connect_bucket(took), &m->connect_ns, took);
}

static __always_inline void on_closed(struct tcp_metrics *m, struct sock *sk, int from)
{
	struct known_socket known = { .direction = TCP_UNKNOWN };
	struct tcp_cgroup_counters *counters;
	struct tcp_sock *tp;
	__u32 rtt, place;
	__u64 took;

	take_socket(sk, &known);
	if (from == TCP_LISTEN)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	place = place_of_cgroup(sk);
	count_traffic(m, place, &known, tp->bytes_sent - tp->bytes_retrans,
		      received_bytes(tp->bytes_received, sk->__sk_common.skc_flags),
		      tp->total_retrans);
	if (from == TCP_SYN_SENT) {
		count(&m->failed[family_of(sk)][failure_reason(sk, tp)]);
		counters = counters_of(place);
		if (counters)
			count(&counters->failed);
		return;
	}
	/* A child, or a simultaneous open, that was never established. */
	if (from == TCP_SYN_RECV)
		return;
	if (known.start_ns) {
		took = bpf_ktime_get_ns() - known.start_ns;
		observe(m->lifetime, TCP_LIFETIME_BUCKETS, lifetime_bucket(took), &m->lifetime_us,
			took / 1000);
	}
	rtt = tp->srtt_us;
	if (rtt)
		observe(m->round_trip, TCP_ROUND_TRIP_BUCKETS, round_trip_bucket(rtt),
			&m->round_trip_8th_us, rtt);
}

/* Half of the changes are the ways to close, and none of those counts. */
static __always_inline bool is_counted(int to)
{
	return to == TCP_ESTABLISHED || to == TCP_CLOSE || to == TCP_SYN_SENT || to == TCP_LISTEN;
}

/* Either source may report a change to the same state; none of those counts. */
static __always_inline void on_state_change(struct sock *sk, int from, int to)
{
	struct tcp_metrics *m;

	if (!is_counted(to) || from == to)
		return;
	/* An MPTCP parent (262) or SCTP (132) socket passes the tracepoint as well. */
	if (sk->sk_protocol != IPPROTO_TCP)
		return;
	m = metrics();
	if (!m)
		return;
	if (to == TCP_ESTABLISHED)
		on_established(m, sk, from);
	else if (to == TCP_CLOSE)
		on_closed(m, sk, from);
	else
		keep_socket(m, sk, bpf_ktime_get_ns(), TCP_ACTIVE, is_new_socket(sk));
}

#ifndef SOCKET_HAS_COOKIE
/*
 * Whether tcp_events counts this change. It knows nothing of a socket before the SYN, so
 * it comes too late for one that waits for data before that, and for no other. Nothing
 * tells it of one that listens.
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

static __always_inline void on_traced_change(struct sock *sk, int from, int to)
{
	if (is_counted(to) && !is_left_to_events(sk, to))
		on_state_change(sk, from, to);
}
#endif

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

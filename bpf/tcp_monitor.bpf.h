/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counts what is known of a connection when its state changes: durations, bytes, cgroups.
 * BPF side only. The programs that include it differ only in how they learn of a change;
 * tcp_counters.bpf.h is for kernels that do not allow this much.
 */
#ifndef CONNPIN_TCP_MONITOR_BPF_H
#define CONNPIN_TCP_MONITOR_BPF_H

#include "tcp_cgroups.bpf.h"
#include "tcp_metrics.bpf.h"
#include "tcp_sockets.bpf.h"

/*
 * The histogram bucket of VALUE: the number of bounds below it. A chain of comparisons with
 * constants needs no table, and ends early for what is quick. The functions are global, so
 * that the verifier continues with one unknown result instead of one state for each bucket.
 */
#define TCP_UP_TO_BOUND(bound, text) \
	if (value <= (bound))        \
		return bucket;       \
	bucket++;

__noinline __u32 connect_bucket(__u64 value)
{
	__u32 bucket = 0;

	TCP_CONNECT_BOUNDS_NS(TCP_UP_TO_BOUND)
	return bucket;
}

__noinline __u32 lifetime_bucket(__u64 value)
{
	__u32 bucket = 0;

	TCP_LIFETIME_BOUNDS_NS(TCP_UP_TO_BOUND)
	return bucket;
}

__noinline __u32 round_trip_bucket(__u32 value)
{
	__u32 bucket = 0;

	TCP_ROUND_TRIP_BOUNDS_8TH_US(TCP_UP_TO_BOUND)
	return bucket;
}

static __always_inline void observe(__u64 *buckets, __u32 size, __u32 bucket, __u64 *sum,
				    __u64 value)
{
	/* Keeps clang from checking one register and using another. */
	barrier_var(bucket);
	if (bucket >= size)
		return;
	count(&buckets[bucket]);
	add(sum, value);
}

/* A FIN counts as a byte in bytes_received; SOCK_DONE says that one was received. */
static __always_inline __u64 received_bytes(__u64 bytes_received, unsigned long flags)
{
	return bytes_received - (flags >> SOCK_DONE & 1);
}

/*
 * Count what a connection carried since it was last counted, also for the cgroup at SLOT.
 * All three differences are signed: when a retransmission gets no memory the bytes sent
 * drop by a segment, and a socket that connects again starts from zero.
 */
static __always_inline void count_traffic(struct tcp_metrics *m, __u32 slot,
					  const struct known_socket *known, __u64 sent,
					  __u64 received, __u32 retransmitted)
{
	struct tcp_cgroup_counters *counters = counters_of(slot);
	__u32 direction = known->direction;
	struct tcp_traffic *traffic;

	/*
	 * Keeps clang from checking one register and using another; the address follows at
	 * once.
	 */
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
	if ((__s32)(retransmitted - known->retransmitted) > 0)
		add(&traffic->retransmitted, retransmitted - known->retransmitted);
}

/* A socket without a cookie has no slot yet. Ask before anything gives it a cookie. */
static __always_inline bool is_new_socket(const struct sock *sk)
{
	return !sk->__sk_common.skc_cookie.counter;
}

static __always_inline bool keep_socket(struct sock *sk, enum change_source source, __u64 now,
					__u32 direction, __u32 marks, bool is_new)
{
	struct known_socket known = { .start_ns = now, .direction = direction, .marks = marks };

	return put_socket(cookie_of(sk, source), sk, &known, is_new);
}

/* Whether attach.sh is at work. */
static __always_inline bool is_settling(void)
{
	struct tcp_settings *settings;
	__u32 key = 0;

	settings = bpf_map_lookup_elem(&tcp_settings, &key);
	return settings && settings->settling;
}

/* A socket begins to connect or to listen at NOW. Its record is at PLACE; 0: not known. */
static __always_inline void on_begun(struct tcp_metrics *m, struct sock *sk,
				     enum change_source source, bool is_new, __u64 now, __u32 place)
{
	__u32 marks = TCP_SOCKET_BOOTTIME | place << TCP_SOCKET_PLACE;

	/* A program of another build may be attached too, which takes it for CLOCK_MONOTONIC. */
	if (is_settling()) {
		marks &= ~TCP_SOCKET_BOOTTIME;
		now = bpf_ktime_get_ns();
	}
	if (!keep_socket(sk, source, now, TCP_ACTIVE, marks, is_new))
		count(&m->sockets_full);
}

/*
 * A tracing program is about to count a change. If the socket is one that tcp_events
 * follows, another program has cleared its flags. While attach.sh is at work that can't be
 * told.
 */
static __always_inline void count_cleared(struct tcp_metrics *m, enum change_source source,
					  bool is_followed)
{
	struct tcp_settings *settings;
	__u32 key = 0;

	if (source != FROM_TRACING || !is_followed)
		return;
	settings = bpf_map_lookup_elem(&tcp_settings, &key);
	if (settings && settings->by_events && !settings->settling)
		count(&m->flags_cleared);
}

/* The marks of a socket that is established. */
static __always_inline __u32 established_marks(enum change_source source)
{
	return TCP_SOCKET_ESTABLISHED | TCP_SOCKET_BOOTTIME |
	       (source == FROM_SOCK_OPS ? TCP_SOCKET_FOLLOWED : 0);
}

static __always_inline void on_established(struct tcp_metrics *m, struct sock *sk,
					   enum change_source source, int from)
{
	struct tcp_cgroup_counters *counters;
	__u64 took = 0;
	bool is_new, is_passive = from == TCP_SYN_RECV;
	int told = CHANGE_OF_UNKNOWN;

	if (from != TCP_SYN_SENT && from != TCP_SYN_RECV)
		return;
	is_new = is_new_socket(sk);
	if (!is_new)
		told = establish_socket(cookie_of(sk, source), established_marks(source), &took);
	/*
	 * tcp_events follows each accepted connection, and of the others those whose start
	 * is known.
	 */
	count_cleared(m, source, is_passive || took || told == CHANGE_IS_TOLD);
	if (told == CHANGE_IS_TOLD)
		return;
	if (told == CHANGE_OF_UNKNOWN &&
	    !keep_socket(sk, source, bpf_ktime_get_boot_ns(), is_passive ? TCP_PASSIVE : TCP_ACTIVE,
			 established_marks(source), is_new))
		/* A connecting socket was counted as full when it began. */
		add(&m->sockets_full, is_passive);
	counters = counters_of(slot_of_cgroup(sk));
	if (!counters)
		return;
	if (is_passive) {
		count(&m->passive[family_of(sk)]);
		count(&counters->passive);
		return;
	}
	count(&m->active[family_of(sk)]);
	count(&counters->active);
	if (!took)
		return;
	observe(m->connect, TCP_CONNECT_BUCKETS, connect_bucket(took), &m->connect_ns, took);
}

/* Whether what a closed socket carried counts if the socket had no slot. */
static __always_inline bool counts_unknown(void)
{
	struct tcp_settings *settings;
	__u32 key = 0;

	settings = bpf_map_lookup_elem(&tcp_settings, &key);
	return settings && !settings->settling;
}

static __always_inline void on_closed(struct tcp_metrics *m, struct sock *sk,
				      enum change_source source, int from, __u64 now,
				      struct known_socket *known)
{
	struct tcp_cgroup_counters *counters;
	struct tcp_sock *tp;
	__u32 rtt, slot;
	__u64 took;
	int told;

	told = close_socket(cookie_of(sk, source), sk, known);
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || from == TCP_LISTEN)
		return;
	count_cleared(m, source,
		      known->marks & TCP_SOCKET_FOLLOWED ||
			      (from == TCP_SYN_SENT && known->start_ns && tp->segs_out));
	if (told == CHANGE_IS_TOLD)
		return;
	slot = slot_of_cgroup(sk);
	if (told == CHANGE_IS_FIRST || counts_unknown())
		count_traffic(m, slot, known, tp->bytes_sent - tp->bytes_retrans,
			      received_bytes(tp->bytes_received, sk->__sk_common.skc_flags),
			      tp->total_retrans);
	if (from == TCP_SYN_SENT) {
		count(&m->failed[family_of(sk)][failure_reason(sk->sk_err, tp->segs_out)]);
		counters = counters_of(slot);
		if (counters)
			count(&counters->failed);
		return;
	}
	/* A child, or a simultaneous open, that never became established. */
	if (from == TCP_SYN_RECV)
		return;
	if (known->start_ns) {
		took = time_since(known->start_ns, known->marks, now);
		observe(m->lifetime, TCP_LIFETIME_BUCKETS, lifetime_bucket(took), &m->lifetime_us,
			took / 1000);
	}
	rtt = tp->srtt_us;
	if (rtt)
		observe(m->round_trip, TCP_ROUND_TRIP_BUCKETS, round_trip_bucket(rtt),
			&m->round_trip_8th_us, rtt);
}

/*
 * Both sources may report a change to the same state; it is not counted. With CLOSE, KNOWN
 * gets what is known of the socket. NOW is CLOCK_BOOTTIME, needed for all but ESTABLISHED.
 */
static __always_inline void on_state_change(struct sock *sk, enum change_source source, int from,
					    int to, __u64 now, struct known_socket *known)
{
	struct tcp_metrics *m;

	if (!is_counted(to) || from == to)
		return;
	/* MPTCP parent (262) and SCTP (132) sockets pass the tracepoint as well. */
	if (sk->sk_protocol != IPPROTO_TCP)
		return;
	m = metrics();
	if (!m)
		return;
	if (to == TCP_ESTABLISHED)
		on_established(m, sk, source, from);
	else if (to == TCP_CLOSE)
		on_closed(m, sk, source, from, now, known);
	else
		on_begun(m, sk, source, is_new_socket(sk), now, 0);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a TCP connection went: its record gets this when it closes. BPF side only; a part of
 * handle_sockops (port_tracker.bpf.c).
 */
#ifndef CONNPIN_ENDED_BPF_H
#define CONNPIN_ENDED_BPF_H

#include "inbound.bpf.h"
#include "tcp_monitor.bpf.h"

struct how_it_went {
	__u64 sent;
	__u64 received;
	__u32 retransmitted;
	__u32 round_trip;
	__u32 ended;
	__u32 pad;
};

/* Why a connection attempt failed: failure_reason() as an IDENTITY_* end. */
static __always_inline __u8 end_of_attempt(const struct sock *sk, const struct tcp_sock *tp)
{
	switch (failure_reason(sk->sk_err, tp->segs_out)) {
	case TCP_REFUSED:
		return IDENTITY_REFUSED;
	case TCP_TIMEOUT:
		return IDENTITY_TIMEOUT;
	case TCP_UNREACHABLE:
		return IDENTITY_UNREACHABLE;
	}
	return IDENTITY_ABORTED;
}

/* How a connection ended follows from the state FROM which it closes and from its error. */
static __always_inline __u8 end_of(const struct sock *sk, const struct tcp_sock *tp, __u32 from)
{
	if (from == TCP_LISTEN)
		return IDENTITY_CLOSED;
	if (from == TCP_SYN_SENT)
		return end_of_attempt(sk, tp);
	switch (sk->sk_err) {
	case 0:
		break;
	case ETIMEDOUT:
		return IDENTITY_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
		return IDENTITY_UNREACHABLE;
	case ECONNABORTED:
		return IDENTITY_RESET_SENT;
	case ECONNRESET:
	case EPIPE:
		return IDENTITY_RESET_BY_PEER;
	}
	/*
	 * Both sides have sent a FIN, or the kernel waits for the peer's without a full
	 * socket.
	 */
	if (from == TCP_LAST_ACK || from == TCP_CLOSING || from == TCP_FIN_WAIT2 ||
	    from == TCP_TIME_WAIT)
		return IDENTITY_FIN;
	return IDENTITY_RESET_SENT;
}

/*
 * Claim the record of OPENED in TABLE. NULL when there is none, when it has ended already,
 * or when another CPU is writing it. The bucket's head gets the time NOW, because readers
 * look there for what changed.
 */
static __always_inline struct conn_identity *claim_record(const struct opened *opened, __u32 table,
							  __u64 now)
{
	struct identity_bucket *bucket;
	__u32 index, way, tag;
	__u64 seed[2], hash;

	if (!get_header(table, seed))
		return NULL;
	hash = identity_hash(&opened->key, seed);
	tag = identity_tag(hash);
	index = identity_index(hash, bucket_count(table)) | table;
	way = find_way(index, opened, tag);
	bucket = bucket_at(index);
	barrier_var(way);
	if (!bucket || way >= NO_WAY || bucket->way[way].ended || !claim(&bucket->way[way]))
		return NULL;
	/* Its last writer may have given it to another connection before the claim. */
	if (bucket->tag[way] != tag || !is_of(&bucket->way[way], opened)) {
		release(&bucket->way[way]);
		return NULL;
	}
	bucket->time[way] = now;
	return &bucket->way[way];
}

/* Record that the connection has ended. Global for the same reason as find_way(). */
__noinline int identify_end(const struct opened *opened, const struct how_it_went *went)
{
	struct conn_identity *record;
	__u64 now = bpf_ktime_get_boot_ns();

	if (!opened || !went)
		return 0;
	record = claim_record(opened, opened->kind & IDENTITY_IN ? INBOUND : 0, now);
	if (!record)
		return 0;
	record->ended = went->ended;
	record->duration = now > record->time ? now - record->time : 1;
	record->sent = went->sent;
	record->received = went->received;
	record->retransmitted = went->retransmitted;
	record->round_trip = went->round_trip;
	/*
	 * A full barrier, which a plain store is not: the record is complete before its
	 * check.
	 */
	__sync_lock_test_and_set(&record->check, identity_check(record));
	return 0;
}

/* The socket TP goes from the state FROM to CLOSE. DIRECTION is that of tcp_sockets. */
static __noinline void record_end(struct tcp_sock *tp, __u32 from, __u32 direction)
{
	const struct sock *sk = (struct sock *)tp;
	struct opened opened = {};
	struct how_it_went went = {};

	went.ended = end_of(sk, tp, from);
	went.retransmitted = tp->total_retrans;
	went.round_trip = tp->srtt_us;
	went.sent = tp->bytes_sent - tp->bytes_retrans;
	went.received = received_bytes(tp->bytes_received, sk->__sk_common.skc_flags);
	set_connection(&opened, sk);
	if (from == TCP_LISTEN || direction == TCP_PASSIVE)
		opened.kind = IDENTITY_IN;
	if (from == TCP_LISTEN) {
		for (int i = 0; i < 4; i++)
			opened.key.dst_ip[i] = 0;
		opened.key.dst_port = 0;
	}
	identify_end(&opened, &went);
}

#endif

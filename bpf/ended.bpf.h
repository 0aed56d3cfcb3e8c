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
	__u64 now; /* when it ended, ns since boot */
	__u64 sent;
	__u64 received;
	__u32 retransmitted;
	__u32 round_trip;
	__u32 ended;
	__u32 place; /* where the record was written; 0: not known */
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

/* The place of OPENED's record in TABLE, by its hash; 0 when it has none. */
__noinline __u32 find_place(const struct opened *opened, __u32 table)
{
	__u32 index, way;
	__u64 seed[2], hash;

	if (!opened || !get_header(table, seed))
		return 0;
	hash = identity_hash(&opened->key, seed);
	index = identity_index(hash, bucket_count(table)) | table;
	way = find_way(index, opened, identity_tag(hash));
	return way >= NO_WAY ? 0 : place_of(index, way);
}

/*
 * Claim the record of OPENED at PLACE. NULL when another one is there, when it has ended
 * already, or when another CPU is writing it. The bucket's head gets the time NOW, because
 * readers look there for what changed.
 */
static __always_inline struct conn_identity *claim_record(const struct opened *opened, __u32 place,
							  __u64 now)
{
	struct identity_bucket *bucket = bucket_at(index_at(place));
	__u32 way = way_at(place);
	struct conn_identity *record;

	if (!bucket)
		return NULL;
	record = &bucket->way[way];
	if (!is_of(record, opened) || record->ended)
		return NULL;
	for (__u32 i = 0; !claim(record); i++)
		if (i >= CLAIM_TRIES)
			return NULL;
	/* Its last writer may have given it to another connection, or ended it. */
	if (!is_of(record, opened) || record->ended) {
		release(record);
		return NULL;
	}
	bucket->time[way] = now;
	return record;
}

/* Record that the connection has ended. Global for the same reason as find_way(). */
__noinline int identify_end(const struct opened *opened, const struct how_it_went *went)
{
	struct conn_identity *record = NULL;
	__u64 now;
	__u32 place;

	if (!opened || !went)
		return 0;
	now = went->now;
	place = went->place;
	/* Not known for one that is older than the attachment. */
	if (place)
		record = claim_record(opened, place, now);
	if (!record) {
		place = find_place(opened, opened->kind & IDENTITY_IN ? INBOUND : 0);
		if (!place || place == went->place)
			return 0;
		record = claim_record(opened, place, now);
	}
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

/* The socket TP goes from the state FROM to CLOSE at NOW. KNOWN is what tcp_sockets has. */
static __noinline void record_end(struct tcp_sock *tp, __u32 from, const struct known_socket *known,
				  __u64 now)
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
	/*
	 * An attempt that failed before the SYN was not recorded. It may have the addresses
	 * and ports of another socket's connection, which is why it failed.
	 */
	if (from == TCP_SYN_SENT && known->marks == TCP_SOCKET_BOOTTIME)
		return;
	went.now = now;
	went.place = known->marks >> TCP_SOCKET_PLACE;
	if (from == TCP_LISTEN || known->direction == TCP_PASSIVE)
		opened.kind = IDENTITY_IN;
	if (from == TCP_LISTEN) {
		for (int i = 0; i < 4; i++)
			opened.key.dst_ip[i] = 0;
		opened.key.dst_port = 0;
	}
	identify_end(&opened, &went);
}

#endif

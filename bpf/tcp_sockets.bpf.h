/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of TCP sockets: when each began, and what is counted already of what it
 * carried. BPF side only.
 *
 * For each connection, an array searched by cookie costs a fifth of socket storage and six
 * tenths of a hash, and a program can walk it. The changes of one socket are serialized by
 * its lock. Slots are claimed and freed by a compare-and-swap of one word, because sockets
 * on other CPUs share the group.
 */
#ifndef CONNPIN_TCP_SOCKETS_BPF_H
#define CONNPIN_TCP_SOCKETS_BPF_H

#include "kernel.h"
#include "tcp_monitor.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCP_SOCKETS / TCP_SOCKETS_GROUP);
	__type(key, __u32);
	__type(value, struct tcp_socket_group);
} tcp_sockets SEC(".maps");

/*
 * A cookie without the bits that have another use here. The kernel counts cookies up from
 * 1, and down from 2^64 when a task that gets one is interrupted by another. Without these
 * bits the two ranges do not meet below 2^52 either.
 */
static __always_inline __u64 cookie_bits(__u64 cookie)
{
	return cookie & ~TCP_COOKIE_BITS;
}

/* How a program learns of a state change: from sock_ops or from a tracing hook. */
enum change_source { FROM_SOCK_OPS, FROM_TRACING };

/*
 * The cookie of SK. A sock_ops program has made the kernel give it one by its context before,
 * so a load is enough.
 */
static __always_inline __u64 cookie_of(struct sock *sk, enum change_source source)
{
	if (source == FROM_SOCK_OPS)
		return cookie_bits(sk->__sk_common.skc_cookie.counter);
	return cookie_bits(bpf_get_socket_cookie(sk));
}

/*
 * A load that no later load overtakes. BPF has nothing weaker for it than an atomic
 * operation that returns a value; x86 and s390 keep loads in order anyway.
 */
static __always_inline __u64 load_acquire(__u64 *word)
{
#if defined(__TARGET_ARCH_x86) || defined(__TARGET_ARCH_s390)
	__u64 value = *(volatile __u64 *)word;

	barrier();
	return value;
#else
	return __sync_fetch_and_add(word, 0);
#endif
}

static __always_inline struct tcp_socket_group *group_of(__u64 cookie)
{
	/* The capacity is a setting, so it comes from the map. */
	const struct bpf_map *map = (const void *)&tcp_sockets;
	__u32 key = (__u32)cookie & (map->max_entries - 1);

	return bpf_map_lookup_elem(&tcp_sockets, &key);
}

/* Whether the slot with this WORD is that of the socket with COOKIE, open or closed. */
static __always_inline bool is_slot_of(__u64 word, __u64 cookie)
{
	return (word & ~(TCP_COOKIE_SIDE | TCP_COOKIE_CLOSED | TCP_COOKIE_LIVES)) == cookie;
}

/*
 * The slot, in its group, of the socket with COOKIE; TCP_SOCKETS_GROUP when it has none,
 * also for the cookie 0, which free slots have. Global, so that the verifier continues with
 * one unknown result instead of nine states.
 */
__noinline __u32 slot_of_cookie(__u64 cookie)
{
	struct tcp_socket_group *group = group_of(cookie);
	__u32 i;

	if (!group || !cookie)
		return TCP_SOCKETS_GROUP;
#pragma unroll
	for (i = 0; i < TCP_SOCKETS_GROUP; i++)
		if (is_slot_of(group->words[i], cookie))
			break;
	return i;
}

/* Claim a free slot in the group of COOKIE; TCP_SOCKETS_GROUP when there is none. */
__noinline __u32 claim_slot_for(__u64 cookie)
{
	struct tcp_socket_group *group = group_of(cookie);
	__u64 word;
	__u32 i;

	if (!group || !cookie)
		return TCP_SOCKETS_GROUP;
#pragma unroll
	for (i = 0; i < TCP_SOCKETS_GROUP; i++) {
		word = group->words[i];
		if ((!(word & ~TCP_COOKIE_SIDE) || word & TCP_COOKIE_CLOSED) &&
		    __sync_val_compare_and_swap(&group->words[i], word,
						(word & TCP_COOKIE_SIDE) | TCP_COOKIE_BUSY) == word)
			break;
	}
	return i;
}

/* What the table has of a socket. */
struct known_socket {
	__u64 start_ns;
	__u64 sent;
	__u64 received;
	__u32 retransmitted;
	__u32 direction;
	__u32 marks;
};

/* Fill in the claimed slot I of GROUP and publish it with WORD. */
static __always_inline void fill_slot(struct tcp_socket_group *group, __u32 i, __u64 word, void *sk,
				      const struct known_socket *known)
{
	struct tcp_socket *socket;
	__u32 side = word >> 63;
	__u64 *word_of_slot;

	/*
	 * Keeps clang from checking one register and using another; the addresses follow at
	 * once.
	 */
	barrier_var(i);
	if (i >= TCP_SOCKETS_GROUP)
		return;
	socket = &group->sockets[i];
	word_of_slot = &group->words[i];
	barrier_var(socket);
	barrier_var(word_of_slot);
	socket->start_ns = known->start_ns;
	socket->sk = (__u64)sk;
	socket->sent[side] = known->sent;
	socket->received[side] = known->received;
	socket->retransmitted[side] = known->retransmitted;
	socket->direction = known->direction;
	socket->marks = known->marks;
	/* A full barrier: a program that sees the cookie sees the rest. */
	__sync_lock_test_and_set(word_of_slot, word);
}

/* Fill in a free slot for COOKIE, with BITS in its word; false when there is none. */
static __always_inline bool fill_free_slot(struct tcp_socket_group *group, __u64 cookie, __u64 bits,
					   void *sk, const struct known_socket *known)
{
	__u32 i = claim_slot_for(cookie);

	if (i >= TCP_SOCKETS_GROUP)
		return false;
	fill_slot(group, i, (group->words[i] & TCP_COOKIE_SIDE) | bits | cookie, sk, known);
	return true;
}

/*
 * Keep the socket with COOKIE, which begins a life; with is_new it has no slot yet. False
 * when its group is full: then its duration will not be known, and what it carried is
 * counted when it closes.
 */
static __always_inline bool put_socket(__u64 cookie, void *sk, const struct known_socket *known,
				       bool is_new)
{
	struct tcp_socket_group *group = group_of(cookie);
	struct tcp_socket *socket;
	__u64 word;
	__u32 i;

	if (!group)
		return false;
	i = is_new ? TCP_SOCKETS_GROUP : slot_of_cookie(cookie);
	if (i >= TCP_SOCKETS_GROUP)
		return fill_free_slot(group, cookie, 0, sk, known);
	word = group->words[i];
	if (!(word & TCP_COOKIE_CLOSED)) {
		/* Two programs may report the same beginning. */
		socket = &group->sockets[i];
		socket->start_ns = known->start_ns;
		socket->sent[0] = socket->sent[1] = known->sent;
		socket->received[0] = socket->received[1] = known->received;
		socket->retransmitted[0] = socket->retransmitted[1] = known->retransmitted;
		socket->direction = known->direction;
		socket->marks = known->marks;
		return true;
	}
	/*
	 * The same socket lives again. Its word changes, or a reader that was stopped in
	 * the middle would take it for the earlier life.
	 */
	if (__sync_val_compare_and_swap(&group->words[i], word, TCP_COOKIE_BUSY) != word)
		return fill_free_slot(group, cookie, 0, sk, known);
	word = (word & TCP_COOKIE_SIDE) | ((word + TCP_COOKIE_LIFE) & TCP_COOKIE_LIVES) | cookie;
	fill_slot(group, i, word, sk, known);
	return true;
}

/*
 * Keep the socket with COOKIE, which is older than the attachment, unless it has a slot or
 * has closed.
 */
static __always_inline void put_older_socket(__u64 cookie, void *sk,
					     const struct known_socket *known)
{
	struct tcp_socket_group *group = group_of(cookie);

	if (group && slot_of_cookie(cookie) >= TCP_SOCKETS_GROUP)
		fill_free_slot(group, cookie, 0, sk, known);
}

/*
 * What a program learns when it reports a change. Each change is counted once, however many
 * programs report it: two builds during an upgrade, or tcp_events and then a tracepoint, if
 * another program cleared the socket's flags in between. They run one after another, under
 * the socket's lock.
 */
enum {
	CHANGE_IS_FIRST,  /* no other program has counted it: count it */
	CHANGE_IS_TOLD,	  /* another program has counted it */
	CHANGE_OF_UNKNOWN /* the socket has no slot, so it can't be told */
};

/* How long ago a socket began, in ns, which NOW is the clock of; see TCP_SOCKET_BOOTTIME. */
static __always_inline __u64 time_since(__u64 start_ns, __u32 marks, __u64 now)
{
	return (marks & TCP_SOCKET_BOOTTIME ? now : bpf_ktime_get_ns()) - start_ns;
}

/*
 * The socket with COOKIE is established. TOOK is how many ns that took; 0: not known. One
 * that was accepted has its time already.
 */
static __always_inline int establish_socket(__u64 cookie, __u32 marks, __u64 *took)
{
	struct tcp_socket_group *group = group_of(cookie);
	struct tcp_socket *socket;
	__u64 now;
	__u32 i;

	*took = 0;
	if (!group)
		return CHANGE_OF_UNKNOWN;
	i = slot_of_cookie(cookie);
	if (i >= TCP_SOCKETS_GROUP || group->words[i] & TCP_COOKIE_CLOSED)
		return CHANGE_OF_UNKNOWN;
	socket = &group->sockets[i];
	if (socket->marks & TCP_SOCKET_ESTABLISHED)
		return CHANGE_IS_TOLD;
	if (socket->direction != TCP_PASSIVE) {
		now = bpf_ktime_get_boot_ns();
		/* Where the clock is coarse it may take no time, which is not 0. */
		if (socket->start_ns)
			*took = time_since(socket->start_ns, socket->marks, now) ?: 1;
		socket->start_ns = now;
	}
	/* Its place stays. */
	socket->marks = marks | (socket->marks & ~0U << TCP_SOCKET_PLACE);
	return CHANGE_IS_FIRST;
}

/*
 * The socket with COOKIE has closed: fill in KNOWN, or only its marks and its direction if the
 * close has been counted. The slot becomes free, but keeps the cookie until another socket claims
 * it.
 */
static __always_inline int close_socket(__u64 cookie, struct sock *sk, struct known_socket *known)
{
	struct tcp_socket_group *group = group_of(cookie);
	struct tcp_socket *socket;
	__u32 i, side;
	__u64 word;

	if (!group)
		return CHANGE_OF_UNKNOWN;
	i = slot_of_cookie(cookie);
	if (i >= TCP_SOCKETS_GROUP) {
		fill_free_slot(group, cookie, TCP_COOKIE_CLOSED, sk, known);
		return CHANGE_OF_UNKNOWN;
	}
	socket = &group->sockets[i];
	/* A reader of the live sockets may change the active half, but only once at a time. */
	for (int tries = 0; tries < 4; tries++) {
		word = load_acquire(&group->words[i]);
		if (!is_slot_of(word, cookie))
			return CHANGE_OF_UNKNOWN;
		known->marks = socket->marks;
		known->direction = socket->direction;
		if (word & TCP_COOKIE_CLOSED)
			return CHANGE_IS_TOLD;
		side = word >> 63;
		known->start_ns = socket->start_ns;
		known->sent = socket->sent[side];
		known->received = socket->received[side];
		known->retransmitted = socket->retransmitted[side];
		if (__sync_val_compare_and_swap(&group->words[i], word, word | TCP_COOKIE_CLOSED) ==
		    word)
			break;
	}
	return CHANGE_IS_FIRST;
}

/* Forget the close of the socket with COOKIE, which begins another life. */
static __always_inline void forget_closed(__u64 cookie)
{
	struct tcp_socket_group *group = group_of(cookie);
	__u64 word;
	__u32 i;

	if (!group)
		return;
	i = slot_of_cookie(cookie);
	if (i >= TCP_SOCKETS_GROUP)
		return;
	word = group->words[i];
	if (word & TCP_COOKIE_CLOSED)
		__sync_val_compare_and_swap(&group->words[i], word, word & TCP_COOKIE_SIDE);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of TCP sockets: when each began, and how much of what it carried is
 * counted already. BPF side only.
 *
 * An array searched by cookie costs a fifth of what socket storage costs for each
 * connection, and six tenths of what a hash does, and can be walked. The changes of one socket come
 * one after another, under its lock; places are taken and left with a compare-and-exchange of one
 * word, since sockets of other CPUs share the group.
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
 * 1, and down from 2^64 where one task interrupts another that gets one: these two do not
 * meet below 2^52 either.
 */
static __always_inline __u64 cookie_bits(__u64 cookie)
{
	return cookie & ~TCP_COOKIE_BITS;
}

/* Where the program has another way to ask, it did so, and the socket has one. */
static __always_inline __u64 cookie_of(struct sock *sk)
{
#ifdef SOCKET_HAS_COOKIE
	return cookie_bits(sk->__sk_common.skc_cookie.counter);
#else
	return cookie_bits(bpf_get_socket_cookie(sk));
#endif
}

/*
 * A load that those after it can't overtake. BPF has no weaker one than an atomic
 * operation that returns something; x86 and s390 keep loads in order anyway.
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
	/* The capacity is a setting. */
	const struct bpf_map *map = (const void *)&tcp_sockets;
	__u32 key = (__u32)cookie & (map->max_entries - 1);

	return bpf_map_lookup_elem(&tcp_sockets, &key);
}

/* Whether the place with this word is the socket's with COOKIE, be it open or closed. */
static __always_inline bool is_slot_of(__u64 word, __u64 cookie)
{
	return (word & ~(TCP_COOKIE_SIDE | TCP_COOKIE_CLOSED | TCP_COOKIE_LIVES)) == cookie;
}

/*
 * The place in its group of the socket with COOKIE; TCP_SOCKETS_GROUP when there is
 * none, as for a socket without a cookie, whose 0 free places have as well. A function
 * of its own, so that the verifier goes on with one answer, not nine.
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

/* Take a free place in the group of COOKIE; TCP_SOCKETS_GROUP when there is none. */
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

/* What a socket is kept with. */
struct known_socket {
	__u64 start_ns;
	__u64 sent;
	__u64 received;
	__u32 retransmitted;
	__u32 direction;
	__u32 marks;
};

/* Fill in place I of GROUP, which is claimed, and make it what WORD says. */
static __always_inline void fill_slot(struct tcp_socket_group *group, __u32 i, __u64 word, void *sk,
				      const struct known_socket *known)
{
	struct tcp_socket *socket;
	__u32 side = word >> 63;
	__u64 *word_of_slot;

	/* The register that is checked has to be the one that is used, at once. */
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
	/* A barrier, so that who sees the cookie sees the rest. */
	__sync_lock_test_and_set(word_of_slot, word);
}

/* Fill in a free place for COOKIE, with these BITS of its word; false when there is none. */
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
 * Keep the socket with COOKIE, which begins a life; a new socket has none before. False
 * when its group is full: then its duration will not be known, and what it carried counts
 * when it closes.
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
		/* Two programs may tell of the same beginning. */
		socket = &group->sockets[i];
		socket->start_ns = known->start_ns;
		socket->sent[0] = socket->sent[1] = known->sent;
		socket->received[0] = socket->received[1] = known->received;
		socket->retransmitted[0] = socket->retransmitted[1] = known->retransmitted;
		socket->direction = known->direction;
		socket->marks = known->marks;
		return true;
	}
	/* Another life of the same socket: not the word of before, or a reader who stopped
	 * in the middle would take it for that.
	 */
	if (__sync_val_compare_and_swap(&group->words[i], word, TCP_COOKIE_BUSY) != word)
		return fill_free_slot(group, cookie, 0, sk, known);
	word = (word & TCP_COOKIE_SIDE) | ((word + TCP_COOKIE_LIFE) & TCP_COOKIE_LIVES) | cookie;
	fill_slot(group, i, word, sk, known);
	return true;
}

/* Keep the socket with COOKIE, which was there before, unless it is kept or has closed. */
static __always_inline void put_older_socket(__u64 cookie, void *sk,
					     const struct known_socket *known)
{
	struct tcp_socket_group *group = group_of(cookie);

	if (group && slot_of_cookie(cookie) >= TCP_SOCKETS_GROUP)
		fill_free_slot(group, cookie, 0, sk, known);
}

/*
 * What a program finds that is told of a change. Each change counts once, however many
 * programs are told: two builds while one takes the place of the other, or tcp_events and
 * then a tracepoint, where another's program cleared the flags of the socket in between.
 * All of them run one after another under the socket's lock.
 */
enum {
	CHANGE_IS_FIRST,  /* nobody was told before: it is this program's to count */
	CHANGE_IS_TOLD,	  /* another one has counted it */
	CHANGE_OF_UNKNOWN /* the socket has no place: nobody can tell */
};

/* The socket with COOKIE is established NOW. START is when it began, 0 when that is not known. */
static __always_inline int establish_socket(__u64 cookie, __u64 now, __u32 marks, __u64 *start)
{
	struct tcp_socket_group *group = group_of(cookie);
	struct tcp_socket *socket;
	__u32 i;

	*start = 0;
	if (!group)
		return CHANGE_OF_UNKNOWN;
	i = slot_of_cookie(cookie);
	if (i >= TCP_SOCKETS_GROUP || group->words[i] & TCP_COOKIE_CLOSED)
		return CHANGE_OF_UNKNOWN;
	socket = &group->sockets[i];
	if (socket->marks & TCP_SOCKET_ESTABLISHED)
		return CHANGE_IS_TOLD;
	socket->marks = marks;
	*start = socket->start_ns;
	socket->start_ns = now;
	return CHANGE_IS_FIRST;
}

/*
 * The socket with COOKIE is closed: fill in KNOWN, of one that is told already its marks
 * alone. Its place is free then, but goes on saying of whom it was until it has another use.
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
	/* A reader of the live sockets may be turning the side, once: it holds a lock. */
	for (int tries = 0; tries < 4; tries++) {
		word = load_acquire(&group->words[i]);
		if (!is_slot_of(word, cookie))
			return CHANGE_OF_UNKNOWN;
		known->marks = socket->marks;
		if (word & TCP_COOKIE_CLOSED)
			return CHANGE_IS_TOLD;
		side = word >> 63;
		known->start_ns = socket->start_ns;
		known->sent = socket->sent[side];
		known->received = socket->received[side];
		known->retransmitted = socket->retransmitted[side];
		known->direction = socket->direction;
		if (__sync_val_compare_and_swap(&group->words[i], word, word | TCP_COOKIE_CLOSED) ==
		    word)
			break;
	}
	return CHANGE_IS_FIRST;
}

/* Who opened the connection of the socket with COOKIE, as in struct tcp_socket. */
static __always_inline __u32 direction_of(__u64 cookie)
{
	struct tcp_socket_group *group = group_of(cookie);
	__u32 i = group ? slot_of_cookie(cookie) : TCP_SOCKETS_GROUP;

	barrier_var(i);
	return i < TCP_SOCKETS_GROUP ? group->sockets[i].direction : TCP_UNKNOWN;
}

/* The socket with COOKIE begins another life, of which nobody else may tell. */
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

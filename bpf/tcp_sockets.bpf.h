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
 * meet below 2^62 either.
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

static __always_inline struct tcp_socket_group *group_of(__u64 cookie)
{
	/* The capacity is a setting. */
	const struct bpf_map *map = (const void *)&tcp_sockets;
	__u32 key = (__u32)cookie & (map->max_entries - 1);

	return bpf_map_lookup_elem(&tcp_sockets, &key);
}

/*
 * The place in its group of the socket with COOKIE; TCP_SOCKETS_GROUP when there is
 * none. A function of its own, so that the verifier goes on with one answer, not nine.
 */
__noinline __u32 place_of_cookie(__u64 cookie)
{
	struct tcp_socket_group *group = group_of(cookie);
	__u32 i;

	if (!group)
		return TCP_SOCKETS_GROUP;
#pragma unroll
	for (i = 0; i < TCP_SOCKETS_GROUP; i++)
		if ((group->words[i] & ~TCP_COOKIE_SIDE) == cookie)
			break;
	return i;
}

/* Take a free place in the group of COOKIE; TCP_SOCKETS_GROUP when there is none. */
__noinline __u32 claim_place_for(__u64 cookie)
{
	struct tcp_socket_group *group = group_of(cookie);
	__u64 word;
	__u32 i;

	if (!group)
		return TCP_SOCKETS_GROUP;
#pragma unroll
	for (i = 0; i < TCP_SOCKETS_GROUP; i++) {
		word = group->words[i];
		if (!(word & ~TCP_COOKIE_SIDE) &&
		    __sync_val_compare_and_swap(&group->words[i], word, word | TCP_COOKIE_BUSY) ==
			    word)
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
};

/*
 * Keep the socket with COOKIE; if it is kept already, it begins anew. False when its
 * group is full: then its duration will not be known, and what it carried counts when
 * it closes.
 */
static __always_inline bool put_socket(__u64 cookie, void *sk, const struct known_socket *known,
				       bool is_new)
{
	struct tcp_socket_group *group = group_of(cookie);
	struct tcp_socket *socket;
	__u64 word;
	__u32 i, side;

	if (!group)
		return false;
	i = is_new ? TCP_SOCKETS_GROUP : place_of_cookie(cookie);
	if (i < TCP_SOCKETS_GROUP) {
		if (known->start_ns)
			group->sockets[i].start_ns = known->start_ns;
		return true;
	}
	i = claim_place_for(cookie);
	if (i >= TCP_SOCKETS_GROUP)
		return false;
	socket = &group->sockets[i];
	word = group->words[i] & TCP_COOKIE_SIDE;
	side = word >> 63;
	socket->start_ns = known->start_ns;
	socket->sk = (__u64)sk;
	socket->sent[side] = known->sent;
	socket->received[side] = known->received;
	socket->retransmitted[side] = known->retransmitted;
	socket->direction = known->direction;
	/* A barrier, so that who sees the cookie sees the rest. */
	__sync_lock_test_and_set(&group->words[i], word | cookie);
	return true;
}

/* The connection of SK is established NOW. When it began, 0 when that is not known. */
static __always_inline __u64 restart_socket(struct sock *sk, __u64 now)
{
	__u64 cookie = cookie_of(sk), start;
	struct tcp_socket_group *group = group_of(cookie);
	__u32 i;

	if (!group)
		return 0;
	i = place_of_cookie(cookie);
	if (i >= TCP_SOCKETS_GROUP)
		return 0;
	start = group->sockets[i].start_ns;
	group->sockets[i].start_ns = now;
	return start;
}

/* Fill in KNOWN and forget SK. False, and nothing filled in, when it is not kept. */
static __always_inline bool take_socket(struct sock *sk, struct known_socket *known)
{
	__u64 cookie = cookie_of(sk);
	struct tcp_socket_group *group = group_of(cookie);
	struct tcp_socket *socket;
	__u32 i, side;
	__u64 word;

	if (!group)
		return false;
	i = place_of_cookie(cookie);
	if (i >= TCP_SOCKETS_GROUP)
		return false;
	socket = &group->sockets[i];
	/* A reader of the live sockets may be turning the side, once: it holds a lock. */
	for (int tries = 0; tries < 4; tries++) {
		word = group->words[i];
		side = word >> 63;
		known->start_ns = socket->start_ns;
		known->sent = socket->sent[side];
		known->received = socket->received[side];
		known->retransmitted = socket->retransmitted[side];
		known->direction = socket->direction;
		if (__sync_val_compare_and_swap(&group->words[i], word, word & TCP_COOKIE_SIDE) ==
		    word)
			return true;
	}
	return true;
}

#endif

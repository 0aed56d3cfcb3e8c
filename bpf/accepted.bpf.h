/* SPDX-License-Identifier: GPL-2.0 */
/* What the variants of accepted share: they record the process that accepts. BPF side only. */
#ifndef CONNPIN_ACCEPTED_BPF_H
#define CONNPIN_ACCEPTED_BPF_H

#include "port_tracker.bpf.h"
#include "tcp_sockets.bpf.h"

/*
 * Record the current process by the place that handle_sockops has kept with the accepted
 * socket with COOKIE. False when it has kept none; the record is searched then.
 */
static __always_inline bool accept_by_place(__u64 cookie)
{
	struct tcp_socket_group *group;
	struct tcp_socket *socket;
	__u32 i, marks, direction;
	__u64 time;

	cookie = cookie_bits(cookie);
	group = group_of(cookie);
	if (!group)
		return false;
	i = slot_of_cookie(cookie);
	barrier_var(i);
	if (i >= TCP_SOCKETS_GROUP)
		return false;
	if (!is_slot_of(load_acquire(&group->words[i]), cookie))
		return false;
	socket = &group->sockets[i];
	marks = READ_ONCE(socket->marks);
	direction = READ_ONCE(socket->direction);
	time = READ_ONCE(socket->start_ns);
	/* If it has closed, another socket may have taken the slot meanwhile. */
	if (!is_slot_of(load_acquire(&group->words[i]), cookie))
		return false;
	if (direction != TCP_PASSIVE || !(marks >> TCP_SOCKET_PLACE) ||
	    !identify_accepter(marks >> TCP_SOCKET_PLACE, time))
		return false;
	record_process();
	return true;
}

/*
 * A connection that was reset before it was accepted has given its port back: __inet_put_port()
 * of net/ipv4/inet_hashtables.c leaves it in one of two members.
 */
static __always_inline void set_own_port(struct opened *opened, const struct sock *sk)
{
	if (!opened->key.src_port)
		opened->key.src_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
}

/* The current process has accepted SK. */
static __always_inline void on_accepted(const struct sock *sk)
{
	struct opened opened = { .kind = IDENTITY_ACCEPTER | IDENTITY_IN };

	if (sk->sk_protocol != IPPROTO_TCP || accept_by_place(sk->__sk_common.skc_cookie.counter))
		return;
	set_connection(&opened, sk);
	set_own_port(&opened, sk);
	identify_process(&opened);
}

#endif

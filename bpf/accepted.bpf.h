/* SPDX-License-Identifier: GPL-2.0 */
/* What the variants of accepted share: they record the process that accepts. BPF side only. */
#ifndef CONNPIN_ACCEPTED_BPF_H
#define CONNPIN_ACCEPTED_BPF_H

#include "port_tracker.bpf.h"
#include "tcp_sockets.bpf.h"

/*
 * Record the current process by the place that handle_sockops has kept with the accepted
 * socket with COOKIE. False when it has kept none; the record is searched then. When another
 * record is at the place by now, that of this connection is gone, and a search could only
 * find that of a later one with the same addresses and ports.
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
	if (direction != TCP_PASSIVE || !(marks >> TCP_SOCKET_PLACE))
		return false;
	if (identify_accepter(marks >> TCP_SOCKET_PLACE, time))
		record_process();
	return true;
}

/*
 * Whether the record of an accepted socket may be searched by its addresses and ports. One
 * that was reset before it was accepted has given its port back, and a later connection may
 * have the same: it stays recorded as the listener's.
 */
#define HAS_OWN_PORT(opened) ((opened)->key.src_port != 0)

/* The current process has accepted SK. */
static __always_inline void on_accepted(const struct sock *sk)
{
	struct opened opened = { .kind = IDENTITY_ACCEPTER | IDENTITY_IN };

	if (sk->sk_protocol != IPPROTO_TCP || accept_by_place(sk->__sk_common.skc_cookie.counter))
		return;
	set_connection(&opened, sk);
	if (HAS_OWN_PORT(&opened))
		identify_process(&opened);
}

#endif

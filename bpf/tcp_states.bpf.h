/* SPDX-License-Identifier: GPL-2.0 */
/* Counts a state change that a tracing program sees. BPF side only. */
#ifndef CONNPIN_TCP_STATES_BPF_H
#define CONNPIN_TCP_STATES_BPF_H

#include "tcp_monitor.bpf.h"
#include "tcp_traced.bpf.h"

static __always_inline void on_traced_change(struct sock *sk, int from, int to)
{
	struct known_socket known = { .direction = TCP_UNKNOWN };

	if (!is_counted(to))
		return;
	if (!is_left_to_events(sk, to))
		on_state_change(sk, FROM_TRACING, from, to, bpf_ktime_get_boot_ns(), &known);
	else if (to == TCP_SYN_SENT && !is_new_socket(sk))
		/*
		 * It may fail before the SYN; that close must not be taken for the one
		 * before.
		 */
		forget_closed(cookie_of(sk, FROM_TRACING));
}

#endif

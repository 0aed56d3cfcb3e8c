/* SPDX-License-Identifier: GPL-2.0 */
/* What every variant of accepted shares: who accepts a connection has it. BPF side only. */
#ifndef CONNPIN_ACCEPTED_BPF_H
#define CONNPIN_ACCEPTED_BPF_H

#include "port_tracker.bpf.h"

/* The process of now has accepted SK. */
static __always_inline void on_accepted(const struct sock *sk)
{
	struct opened opened = { .kind = IDENTITY_ACCEPTER | IDENTITY_IN };

	if (sk->sk_protocol != IPPROTO_TCP)
		return;
	set_connection(&opened, sk);
	identify_process(&opened);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* What the variants of accepted share: they record the process that accepts. BPF side only. */
#ifndef CONNPIN_ACCEPTED_BPF_H
#define CONNPIN_ACCEPTED_BPF_H

#include "port_tracker.bpf.h"

/* The current process has accepted SK. */
static __always_inline void on_accepted(const struct sock *sk)
{
	struct opened opened = { .kind = IDENTITY_ACCEPTER | IDENTITY_IN };

	if (sk->sk_protocol != IPPROTO_TCP)
		return;
	set_connection(&opened, sk);
	identify_process(&opened);
}

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_monitor: counts TCP state changes by fentry on tcp_set_state().
 *
 * The variant of first choice; tcp_monitor_tp takes over where the kernel
 * refuses fentry. At entry the socket still has its old state. No transition
 * that is counted goes past tcp_set_state(); LISTEN to SYN_RECV would.
 */
#include "tcp_reset.bpf.h"

SEC("fentry/tcp_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int state)
{
	on_state_change(sk, sk->__sk_common.skc_state, state);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_monitor where the kernel refuses fentry: the same counters from the
 * tracepoint inet_sock_set_state, which tcp_set_state() passes.
 */
#include "tcp_reset.bpf.h"

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, const struct sock *sk, int oldstate, int newstate)
{
	on_state_change(sk, oldstate, newstate);
	return 0;
}

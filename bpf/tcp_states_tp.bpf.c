// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_states_tp: tcp_states for kernels that refuse fentry. It counts the same, by the
 * tracepoint inet_sock_set_state, which tcp_set_state() passes.
 */
#include "tcp_states.bpf.h"

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int oldstate, int newstate)
{
	on_traced_change(sk, oldstate, newstate);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/* tcp_counters_tp: tcp_counters for kernels that refuse fentry, by a tracepoint. */
#include "tcp_counters_btf.bpf.h"

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int oldstate, int newstate)
{
	count_traced_change(sk, oldstate, newstate);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

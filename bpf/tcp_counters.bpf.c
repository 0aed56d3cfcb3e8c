// SPDX-License-Identifier: GPL-2.0
/* tcp_counters: counts state changes and nothing else, by fentry on tcp_set_state(). */
#include "tcp_counters_btf.bpf.h"

SEC("fentry/tcp_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int state)
{
	count_traced_change(sk, sk->__sk_common.skc_state, state);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

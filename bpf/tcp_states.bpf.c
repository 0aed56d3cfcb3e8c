// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_states: counts TCP state changes by fentry on tcp_set_state().
 *
 * This is the first choice; tcp_states_tp is for kernels that refuse fentry. At entry the
 * socket still has its old state. Every counted transition goes through tcp_set_state();
 * LISTEN to SYN_RECV does not, but is not counted.
 */
#include "tcp_states.bpf.h"

SEC("fentry/tcp_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int state)
{
	on_traced_change(sk, sk->__sk_common.skc_state, state);
	return 0;
}

/*
 * LISTEN is the only counted state that tcp_set_state() does not set, and an attempt that
 * fails is undone without it; so the change is counted when it has succeeded. Linux 5.10
 * has another argument before the return value, but never loads this object.
 */
SEC("fexit/inet_csk_listen_start")
int BPF_PROG(on_listen, struct sock *sk, int ret)
{
	if (ret == 0)
		on_traced_change(sk, TCP_CLOSE, TCP_LISTEN);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

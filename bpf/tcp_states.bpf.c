// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_states: counts TCP state changes by fentry on tcp_set_state().
 *
 * The first choice; tcp_states_tp takes over where the kernel refuses fentry. At entry
 * the socket still has its old state. No transition that is counted goes past
 * tcp_set_state(); LISTEN to SYN_RECV would.
 */
#include "tcp_states.bpf.h"

SEC("fentry/tcp_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int state)
{
	on_traced_change(sk, sk->__sk_common.skc_state, state);
	return 0;
}

/*
 * Listening is the one state that does not come through tcp_set_state(), and one that
 * fails goes back likewise: after the attempt, then. Linux 5.10 has another argument in
 * front of the return value, but never loads this object.
 */
SEC("fexit/inet_csk_listen_start")
int BPF_PROG(on_listen, struct sock *sk, int ret)
{
	if (ret == 0)
		on_traced_change(sk, TCP_CLOSE, TCP_LISTEN);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

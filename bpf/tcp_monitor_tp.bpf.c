// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_monitor where the kernel refuses fentry: the same counters from the
 * tracepoint inet_sock_set_state, which tcp_set_state() passes. The one of resets
 * received does not show the segment, so it also counts the connections that ended
 * because data came after the close (see tcp_monitor).
 */
#include "tcp_send_reset.bpf.h"

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int oldstate, int newstate)
{
	on_traced_change(sk, oldstate, newstate);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int on_receive_reset(void *ctx)
{
	on_reset_received();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_monitor: counts TCP state changes by fentry on tcp_set_state(), and resets.
 *
 * The variant of first choice; tcp_monitor_tp takes over where the kernel
 * refuses fentry. At entry the socket still has its old state. No transition
 * that is counted goes past tcp_set_state(); LISTEN to SYN_RECV would.
 */
#include "tcp_send_reset.bpf.h"

SEC("fentry/tcp_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int state)
{
	on_traced_change(sk, sk->__sk_common.skc_state, state);
	return 0;
}

/*
 * Listening is the one state that does not come through tcp_set_state(), and one that
 * fails goes back likewise: after the attempt, then.
 */
SEC("fexit/inet_csk_listen_start")
int BPF_PROG(on_listen, struct sock *sk, int ret)
{
	if (ret == 0)
		on_traced_change(sk, TCP_CLOSE, TCP_LISTEN);
	return 0;
}

/*
 * tcp_reset() ends a connection for two reasons: a RST came, or data came after
 * the program had closed (net/ipv4/tcp_input.c: tcp_rcv_state_process(),
 * TCPABORTONDATA). Only the first is a reset received. One that meets a half-open
 * request, a TIME_WAIT socket or a closed port does not come here.
 */
SEC("fentry/tcp_reset")
int BPF_PROG(on_receive_reset, struct sock *sk, struct sk_buff *skb)
{
	if (is_reset(skb))
		on_reset_received();
	return 0;
}

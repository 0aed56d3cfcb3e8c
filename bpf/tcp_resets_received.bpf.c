// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_resets_received: counts the RSTs that end a connection or an attempt, by fentry on
 * tcp_reset().
 *
 * The kernel calls tcp_reset() for one of two reasons: a RST was received, or data arrived
 * after the program had closed the socket (net/ipv4/tcp_input.c: tcp_rcv_state_process(),
 * TCPABORTONDATA). Only the first is counted. A RST for a half-open request, a TIME_WAIT
 * socket or a closed port does not reach tcp_reset(). Linux 5.10 does not pass the segment
 * and refuses this program.
 */
#include "tcp_metrics.bpf.h"

SEC("fentry/tcp_reset")
int BPF_PROG(on_receive_reset, struct sock *sk, struct sk_buff *skb)
{
	if (is_reset(skb))
		on_reset_received();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Resets that are sent, for both variants of tcp_monitor. BPF side only.
 *
 * The program does not look at its arguments: each may be NULL, and 6.12 does not
 * say so to the verifier, which then drops the check.
 */
#ifndef CONNPIN_TCP_SEND_RESET_BPF_H
#define CONNPIN_TCP_SEND_RESET_BPF_H

#include "tcp_monitor.bpf.h"

/*
 * From 6.10 on this fires for every RST that leaves. Before, it misses those
 * that no full socket sends: tcp_monitor_reset counts them.
 */
SEC("tp_btf/tcp_send_reset")
int on_send_reset(void *ctx)
{
	struct tcp_metrics *m = metrics();

	if (m)
		count(&m->resets_sent);
	return 0;
}

#endif

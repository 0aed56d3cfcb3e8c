/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The reset tracepoints, which both variants of tcp_monitor attach. BPF side
 * only.
 *
 * Neither program looks at its arguments: each may be NULL, and 6.12 does not
 * say so to the verifier, which then drops the check.
 */
#ifndef CONNPIN_TCP_RESET_BPF_H
#define CONNPIN_TCP_RESET_BPF_H

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

/*
 * tcp_reset(): the RST was for a connection and ended it. One that meets a
 * half-open request, a TIME_WAIT socket or a closed port goes elsewhere.
 */
SEC("tp_btf/tcp_receive_reset")
int on_receive_reset(void *ctx)
{
	struct tcp_metrics *m = metrics();

	if (m)
		count(&m->resets_received);
	return 0;
}

#endif

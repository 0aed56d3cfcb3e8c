/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counts state changes and nothing else. It is for kernels without what tcp_monitor.bpf.h
 * needs (atomic operations with a result, Linux 5.12; bpf_loop, 5.17) and for those that do
 * not let BPF read kernel memory (lockdown=confidentiality). BPF side only.
 */
#ifndef CONNPIN_TCP_COUNTERS_BPF_H
#define CONNPIN_TCP_COUNTERS_BPF_H

#include "tcp_metrics.bpf.h"

/* Count a state change of a TCP socket. ERR is sk_err and SEGS_OUT that of struct tcp_sock. */
static __always_inline void count_change(int from, int to, __u32 ip_family, int err, __u32 segs_out)
{
	struct tcp_metrics *m = metrics();

	if (!m)
		return;
	if (to == TCP_ESTABLISHED && from == TCP_SYN_SENT)
		count(&m->active[ip_family]);
	else if (to == TCP_ESTABLISHED && from == TCP_SYN_RECV)
		count(&m->passive[ip_family]);
	else if (to == TCP_CLOSE && from == TCP_SYN_SENT)
		count(&m->failed[ip_family][failure_reason(err, segs_out)]);
}

#endif

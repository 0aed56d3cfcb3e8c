// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_resets_sent: counts the RSTs that this host sends, by a raw tracepoint.
 *
 * From Linux 6.10 on it fires for every RST that leaves. Before, it misses those that no
 * full socket sends: tcp_resets_sent_early counts them. The arguments are not looked at
 * (each may be NULL), so a raw tracepoint does, which needs no BTF of the kernel.
 */
#include "tcp_metrics.bpf.h"

SEC("raw_tp/tcp_send_reset")
int on_send_reset(void *ctx)
{
	on_reset_sent();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

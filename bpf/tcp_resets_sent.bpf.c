// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_resets_sent: counts the RSTs that this host sends, by a raw tracepoint.
 *
 * From Linux 6.10 on the tracepoint fires for every RST. Earlier ones miss the RSTs that no
 * full socket sends: tcp_resets_sent_early counts those. The program does not read the
 * arguments, each of which may be NULL, so a raw tracepoint is enough, which needs no
 * kernel BTF.
 */
#include "tcp_metrics.bpf.h"

SEC("raw_tp/tcp_send_reset")
int on_send_reset(void *ctx)
{
	on_reset_sent();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

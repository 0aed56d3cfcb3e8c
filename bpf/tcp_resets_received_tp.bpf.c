// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_resets_received where fentry is refused: the tracepoint at the end of tcp_reset(),
 * which does not show the segment, so that connections that ended because data came after
 * the close count too.
 */
#include "tcp_metrics.bpf.h"

SEC("raw_tp/tcp_receive_reset")
int on_receive_reset(void *ctx)
{
	on_reset_received();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

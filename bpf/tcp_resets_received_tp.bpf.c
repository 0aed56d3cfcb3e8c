// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_resets_received_tp: tcp_resets_received for kernels that refuse fentry, by the
 * tracepoint at the end of tcp_reset(). It does not show the segment, so connections that
 * ended by data after the close are counted too.
 */
#include "tcp_metrics.bpf.h"

SEC("raw_tp/tcp_receive_reset")
int on_receive_reset(void *ctx)
{
	on_reset_received();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

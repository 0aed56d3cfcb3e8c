// SPDX-License-Identifier: GPL-2.0
/*
 * forger: what no program may do, or tcp_events could not rely on the new state that it is
 * told. The verifier refuses it.
 */
#include "kernel.h"

SEC("sockops")
int write_new_state(struct bpf_sock_ops *ctx)
{
	ctx->replylong[1] = 1; /* the place of args[1] */
	return 1;
}

char LICENSE[] SEC("license") = "GPL";

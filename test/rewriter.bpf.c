// SPDX-License-Identifier: GPL-2.0
/*
 * rewriter: as a load balancer in the kernel has it, sends what goes to 127.0.0.9 to
 * 127.0.0.1.
 */
#include "kernel.h"

SEC("cgroup/sendmsg4")
int rewrite_send4(struct bpf_sock_addr *ctx)
{
	if (ctx->user_ip4 == bpf_htonl(0x7f000009))
		ctx->user_ip4 = bpf_htonl(0x7f000001);
	return 1;
}

SEC("cgroup/connect4")
int rewrite_conn4(struct bpf_sock_addr *ctx)
{
	if (ctx->user_ip4 == bpf_htonl(0x7f000009))
		ctx->user_ip4 = bpf_htonl(0x7f000001);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";

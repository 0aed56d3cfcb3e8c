// SPDX-License-Identifier: GPL-2.0
/*
 * other_ip: records who makes a socket of AF_INET or AF_INET6 that is neither TCP nor UDP.
 *
 * The hook runs for each socket of these families that a process makes, also those of
 * accept(2)'s listeners, but not those of accept(2). Those of TCP and UDP leave at once.
 */
#include "other_sockets.bpf.h"

SEC("cgroup/sock_create")
int on_sock_create(struct bpf_sock *ctx)
{
	struct sock *sk = (void *)ctx; /* the kernel hands over its own */
	struct other other = { .sk = sk };

	other.kind = other_kind(ctx->family, ctx->type, ctx->protocol);
	if (other.kind == OTHER_KINDS)
		return 1;
	other.family = ctx->family;
	other.protocol = ctx->protocol;
	other.socket = BPF_CORE_READ(sk, sk_socket);
	other.cookie = bpf_get_socket_cookie(ctx);
	record_made(&other);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";

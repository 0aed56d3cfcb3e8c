// SPDX-License-Identifier: GPL-2.0
/*
 * other_ip: records which process creates a socket of AF_INET or AF_INET6 that is neither
 * TCP nor UDP.
 *
 * The hook runs for each socket of these families that a process creates with socket(2),
 * but not for those that accept(2) returns. For TCP and UDP the program returns at once.
 */
#include "other_sockets.bpf.h"

SEC("cgroup/sock_create")
int on_sock_create(struct bpf_sock *ctx)
{
	struct sock *sk = (void *)ctx; /* the kernel passes its struct sock */
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

// SPDX-License-Identifier: GPL-2.0
/*
 * neighbour: sock_ops programs as others have them, which get in the way of ours. Each is
 * attached by itself, beside tcp_events or further down.
 */
#include "kernel.h"

/* As many samples do for whatever they do not answer: it takes the place of args[0]. */
SEC("sockops")
int write_reply(struct bpf_sock_ops *ctx)
{
	ctx->reply = -1;
	return 1;
}

/* An old state that makes a connection that is accepted look as if it were opened. */
SEC("sockops")
int write_state(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_STATE_CB)
		ctx->reply = 2; /* SYN_SENT */
	return 1;
}

/* Whatever another one has asked for is not asked for any more. */
SEC("sockops")
int clear_flags(struct bpf_sock_ops *ctx)
{
	bpf_sock_ops_cb_flags_set(ctx, 0);
	return 1;
}

/* The same in the middle of a change, which was told to those before. */
SEC("sockops")
int clear_at_change(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_STATE_CB)
		bpf_sock_ops_cb_flags_set(ctx, 0);
	return 1;
}

/* Asks for the changes of its sockets, and does not ask for a cookie. */
SEC("sockops")
int ask_changes(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ||
	    ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";

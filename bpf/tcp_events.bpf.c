// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_events: the state changes of tcp_monitor from sock_ops, for every connection that
 * is opened or accepted from the attachment on.
 *
 * The kernel runs a tracing program once at a time on each CPU and skips what happens
 * meanwhile: while a preempted task is in the middle of one, that is everything that
 * other tasks do there. A program of a cgroup is never skipped. So this one asks for the
 * state changes of a socket (BPF_SOCK_OPS_STATE_CB_FLAG) when it connects or is accepted,
 * and counts them; tcp_monitor leaves such sockets alone and counts the rest: those older
 * than the attachment, and attempts that never came as far as a SYN.
 *
 * Other programs of the same hook are called with the same context, those of cgroups
 * further down first, and may be anybody's. They may write `reply`, which has the place of
 * the first argument; the others and the socket's state they can't write. And they may
 * clear the flags of a socket: then tcp_monitor counts what is not told here. A tracepoint
 * comes after the call, and may find the flag cleared of a change that was counted here;
 * that it was stands in the socket's place in tcp_sockets.
 */
#define SOCKET_HAS_COOKIE
#include "tcp_monitor.bpf.h"

/* The flag is set before the change to ESTABLISHED, or right after it; never in between. */
static __always_inline void follow_socket(struct bpf_sock_ops *ctx)
{
	int flags = ctx->bpf_sock_ops_cb_flags;

	if (!(flags & BPF_SOCK_OPS_STATE_CB_FLAG))
		bpf_sock_ops_cb_flags_set(ctx, flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

SEC("sockops")
int on_tcp_event(struct bpf_sock_ops *ctx)
{
	__u32 op = ctx->op, from, told, to;
	struct tcp_metrics *m;
	struct tcp_sock *tp;
	struct bpf_sock *sk;
	bool is_new;

	if (op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
	    op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB && op != BPF_SOCK_OPS_STATE_CB)
		return 1;
	told = ctx->args[0];
	to = ctx->args[1];
	if (op == BPF_SOCK_OPS_STATE_CB && !is_counted(to))
		return 1;
	sk = ctx->sk;
	tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	m = metrics();
	if (!tp || !m)
		return 1;
	/* Whoever else asked for its changes may not have given it one. */
	is_new = is_new_socket((struct sock *)tp);
	if (is_new)
		bpf_get_socket_cookie(ctx);
	/* At STATE_CB, too: or it would be cleared for what comes next. */
	follow_socket(ctx);
	if (op == BPF_SOCK_OPS_STATE_CB) {
		/* tcp_set_state() calls before it stores the new state. */
		from = ((struct sock *)tp)->__sk_common.skc_state;
		if (told != from)
			count(&m->reply_written);
		on_state_change((struct sock *)tp, from, to);
	} else if (op == BPF_SOCK_OPS_TCP_CONNECT_CB) {
		on_begun(m, (struct sock *)tp, is_new);
	}
	return 1;
}

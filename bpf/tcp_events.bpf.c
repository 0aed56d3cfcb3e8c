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
 * Another's sock_ops program that clears the flags of a socket while its last change is
 * told would make a tracepoint count that change once more; fentry comes before it.
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
	__u32 op = ctx->op, from, to;
	struct tcp_metrics *m;
	struct tcp_sock *tp;
	struct bpf_sock *sk;
	bool is_new;

	if (op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
	    op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB && op != BPF_SOCK_OPS_STATE_CB)
		return 1;
	from = ctx->args[0];
	to = ctx->args[1];
	if (op == BPF_SOCK_OPS_STATE_CB && !is_counted(to))
		return 1;
	sk = ctx->sk;
	tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	m = metrics();
	if (!tp || !m)
		return 1;
	if (op == BPF_SOCK_OPS_STATE_CB) {
		on_state_change((struct sock *)tp, from, to);
		return 1;
	}
	is_new = is_new_socket((struct sock *)tp);
	if (is_new)
		bpf_get_socket_cookie(ctx);
	follow_socket(ctx);
	if (op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		keep_socket(m, (struct sock *)tp, bpf_ktime_get_ns(), TCP_ACTIVE, is_new);
	return 1;
}

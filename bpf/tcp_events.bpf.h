/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state changes of tcp_monitor from sock_ops, for every connection that is opened or
 * accepted from the attachment on. BPF side only; a part of handle_sockops
 * (port_tracker.bpf.c).
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
#ifndef CONNPIN_TCP_EVENTS_BPF_H
#define CONNPIN_TCP_EVENTS_BPF_H

#if HAS(TCP_EVENTS)
#define SOCKET_HAS_COOKIE
#include "tcp_monitor.bpf.h"

#ifdef HAS_INBOUND
#include "ended.bpf.h"
#endif

/*
 * The flag is set before the change to ESTABLISHED, or right after it; never in between.
 * Whether the socket is new is told by it, too: whoever else asked for its changes may not
 * have given it a cookie.
 */
static __always_inline bool follow_socket(struct bpf_sock_ops *ctx, struct tcp_sock *tp)
{
	bool is_new = is_new_socket((struct sock *)tp);
	int flags = ctx->bpf_sock_ops_cb_flags;

	if (is_new)
		bpf_get_socket_cookie(ctx);
	if (!(flags & BPF_SOCK_OPS_STATE_CB_FLAG))
		bpf_sock_ops_cb_flags_set(ctx, flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	return is_new;
}

/* Whether there is something to do for the OP of CTX, beside a connect. */
static __always_inline bool is_event(struct bpf_sock_ops *ctx, __u32 op)
{
	if (op == BPF_SOCK_OPS_STATE_CB)
		return is_counted(ctx->args[1]);
	/* Who connects is followed already, unless somebody has cleared the flag. */
	if (op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		return !(ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG);
	return op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB;
}

/*
 * A socket connects: follow it, and ask for its group in tcp_sockets, which is seldom in the
 * cache, while its owner is recorded. Whether it is new.
 */
static __always_inline bool begin_connect(struct bpf_sock_ops *ctx, struct tcp_sock *tp)
{
	bool is_new = follow_socket(ctx, tp);
	struct tcp_socket_group *group = group_of(cookie_of((struct sock *)tp));

	if (group)
		*(volatile __u64 *)group->words;
	return is_new;
}

static __always_inline void count_connect(struct tcp_sock *tp, bool is_new)
{
	struct tcp_metrics *m = metrics();

	if (m)
		on_begun(m, (struct sock *)tp, is_new);
}

/* A socket listens: its close is to be told, and that of each that it accepts. */
static __always_inline void begin_listen(struct bpf_sock_ops *ctx, struct tcp_sock *tp)
{
	follow_socket(ctx, tp);
}

/* What is_event() let pass. */
static __always_inline void count_event(struct bpf_sock_ops *ctx, __u32 op, struct tcp_sock *tp)
{
	__u32 told = ctx->args[0], to = ctx->args[1], from;
	struct tcp_metrics *m;

	/* At STATE_CB, too: or it would be cleared for what comes next. */
	follow_socket(ctx, tp);
	if (op != BPF_SOCK_OPS_STATE_CB)
		return;
	/* tcp_set_state() calls before it stores the new state. */
	from = ((struct sock *)tp)->__sk_common.skc_state;
	if (told != from) {
		m = metrics();
		if (m)
			count(&m->reply_written);
	}
#ifdef HAS_INBOUND
	if (to == TCP_CLOSE && from != to)
		record_end(tp, from, direction_of(cookie_of((struct sock *)tp)));
#endif
	on_state_change((struct sock *)tp, from, to);
}

#else
/* Left out. */
static __always_inline bool begin_connect(struct bpf_sock_ops *ctx, struct tcp_sock *tp)
{
	return false;
}

static __always_inline void count_connect(struct tcp_sock *tp, bool is_new)
{
}

static __always_inline void begin_listen(struct bpf_sock_ops *ctx, struct tcp_sock *tp)
{
}

static __always_inline bool is_event(struct bpf_sock_ops *ctx, __u32 op)
{
	return false;
}

static __always_inline void count_event(struct bpf_sock_ops *ctx, __u32 op, struct tcp_sock *tp)
{
}
#endif

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tcp_events: counts the state changes of TCP from sock_ops, for each connection that is
 * opened or accepted after the attachment. BPF side only; a part of handle_sockops
 * (port_tracker.bpf.c).
 *
 * The kernel runs a tracing program once at a time on each CPU and skips it for other
 * events. While a task is preempted inside one, all events of other tasks on that CPU are
 * skipped. A cgroup program is never skipped. So this one asks for the state changes of a
 * socket (BPF_SOCK_OPS_STATE_CB_FLAG) when it connects or is accepted, and counts them. The
 * tracing programs (tcp_states) leave these sockets alone and count the rest: sockets older
 * than the attachment, and attempts that fail before a SYN is sent.
 *
 * Programs of others at the same hook get the same context, those of cgroups further down
 * first. They can write `reply`, which shares its memory with the first argument, but not
 * the other arguments or the socket's state. They can also clear the flags of a socket:
 * then the tracing programs count the changes that this one misses. A tracepoint fires
 * after this program, and may find the flag cleared for a change that was counted here; so
 * the socket's slot in tcp_sockets notes that it was.
 */
#ifndef CONNPIN_TCP_EVENTS_BPF_H
#define CONNPIN_TCP_EVENTS_BPF_H

#if HAS(TCP_EVENTS)
#include "tcp_monitor.bpf.h"

#ifdef HAS_INBOUND
#include "ended.bpf.h"
#endif

/*
 * Ask for the state changes of a socket. This happens before the change to ESTABLISHED or
 * right after it, never within it. Returns whether the socket is new, which means that it
 * has no cookie. The flag does not tell that, because another program may have set it.
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

/* Whether OP is to be counted. A connect is handled apart. */
static __always_inline bool is_event(struct bpf_sock_ops *ctx, __u32 op)
{
	if (op == BPF_SOCK_OPS_STATE_CB)
		return is_counted(ctx->args[1]);
	/* A connecting socket is followed already, unless another program cleared the flag. */
	if (op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		return !(ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG);
	return op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB;
}

/*
 * A socket connects: follow it, and load its group in tcp_sockets, which is seldom in the
 * cache, so that the line arrives while the owner is recorded. Returns whether it is new.
 */
static __always_inline bool begin_connect(struct bpf_sock_ops *ctx, struct tcp_sock *tp)
{
	bool is_new = follow_socket(ctx, tp);
	struct tcp_socket_group *group = group_of(cookie_of((struct sock *)tp, FROM_SOCK_OPS));

	if (group)
		*(volatile __u64 *)group->words;
	return is_new;
}

/* The time of what was recorded, or this moment. */
static __always_inline __u64 time_of(const struct recorded *recorded)
{
	return recorded->time ? recorded->time : bpf_ktime_get_boot_ns();
}

static __always_inline void count_connect(struct tcp_sock *tp, bool is_new,
					  const struct recorded *recorded)
{
	struct tcp_metrics *m = metrics();

	if (m)
		on_begun(m, (struct sock *)tp, FROM_SOCK_OPS, is_new, time_of(recorded),
			 recorded->place);
}

/*
 * An accepted connection has been recorded, and is about to be established: keep where its
 * record is. When there is no room that is counted at the change.
 */
static __always_inline void keep_accepted(struct tcp_sock *tp, const struct recorded *recorded)
{
	keep_socket((struct sock *)tp, FROM_SOCK_OPS, recorded->time, TCP_PASSIVE,
		    TCP_SOCKET_BOOTTIME | recorded->place << TCP_SOCKET_PLACE, true);
}

/* A socket listens: ask for its close, and for the changes of each socket that it accepts. */
static __always_inline void begin_listen(struct bpf_sock_ops *ctx, struct tcp_sock *tp)
{
	follow_socket(ctx, tp);
}

/* Count a change for which is_event() was true. */
static __noinline void count_event(struct bpf_sock_ops *ctx, __u32 op, struct tcp_sock *tp,
				   const struct recorded *recorded)
{
	struct known_socket known = { .direction = TCP_UNKNOWN };
	__u32 told = ctx->args[0], to = ctx->args[1], from;
	struct tcp_metrics *m;
	__u64 now = 0;
	bool is_new;

	/*
	 * At STATE_CB as well, or another program's clearing would hold for the next
	 * changes.
	 */
	is_new = follow_socket(ctx, tp);
	if (op != BPF_SOCK_OPS_STATE_CB) {
		if (is_new && recorded->place)
			keep_accepted(tp, recorded);
		return;
	}
	/* tcp_set_state() calls the program before it stores the new state. */
	from = ((struct sock *)tp)->__sk_common.skc_state;
	if (told != from) {
		m = metrics();
		if (m)
			count(&m->reply_written);
	}
	if (to != TCP_ESTABLISHED)
		now = bpf_ktime_get_boot_ns();
	on_state_change((struct sock *)tp, FROM_SOCK_OPS, from, to, now, &known);
#ifdef HAS_INBOUND
	if (to == TCP_CLOSE && from != to)
		record_end(tp, from, &known, now);
#endif
}

#else
/* The variants without TCP_EVENTS count nothing. */
static __always_inline bool begin_connect(struct bpf_sock_ops *ctx, struct tcp_sock *tp)
{
	return false;
}

static __always_inline void count_connect(struct tcp_sock *tp, bool is_new,
					  const struct recorded *recorded)
{
}

static __always_inline void begin_listen(struct bpf_sock_ops *ctx, struct tcp_sock *tp)
{
}

static __always_inline bool is_event(struct bpf_sock_ops *ctx, __u32 op)
{
	return false;
}

static __always_inline void count_event(struct bpf_sock_ops *ctx, __u32 op, struct tcp_sock *tp,
					const struct recorded *recorded)
{
}
#endif

#endif

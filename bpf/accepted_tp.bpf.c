// SPDX-License-Identifier: GPL-2.0
/*
 * accepted_tp: accepted for kernels that refuse fexit, by the tracepoints at the end of
 * accept(2) and accept4(2). It misses what io_uring and 32-bit programs accept: such a
 * connection stays recorded as the listener's.
 *
 * A second thread may close the descriptor before the system call ends and open another
 * file under the same number. So the process is recorded only for a connection that has a
 * record already, made when it was established. In the worst case it is another connection
 * that the same process accepted or was handed in that moment.
 */
#include "accepted.bpf.h"
#include "descriptor.bpf.h"

static __always_inline int on_exit(const struct sys_exit_context *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct opened opened = {
		.kind = IDENTITY_ACCEPTER | IDENTITY_IN,
		.is_known = true,
	};
	struct sock *sk;

	if (ctx->ret < 0)
		return 0;
	sk = socket_of_fd(task, ctx->ret);
	if (!sk || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (accept_by_place(BPF_CORE_READ(sk, __sk_common.skc_cookie.counter)))
		return 0;
	set_connection_of(&opened, sk);
	if (HAS_OWN_PORT(&opened))
		identify_process(&opened);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_accept4")
int on_exit_accept4(struct sys_exit_context *ctx)
{
	return on_exit(ctx);
}

SEC("tracepoint/syscalls/sys_exit_accept")
int on_exit_accept(struct sys_exit_context *ctx)
{
	return on_exit(ctx);
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/*
 * accepted where the kernel refuses fexit: the tracepoints at the end of accept(2) and
 * accept4(2). Those of io_uring and of 32-bit programs are missed: such a connection stays
 * the listener's.
 *
 * By then the descriptor may be another file's, if a second thread closed it meanwhile. So
 * only a connection that was recorded when it was established becomes that of the process,
 * which may then be one more that it has accepted, and none of another's.
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
	set_connection_of(&opened, sk);
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

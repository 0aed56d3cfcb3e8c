// SPDX-License-Identifier: GPL-2.0
/*
 * other_families_tp: other_families for kernels that refuse fexit, by the tracepoint at the
 * end of socket(2). It misses the sockets that io_uring and 32-bit programs create. By then
 * the descriptor may name another file, if a second thread has closed the socket.
 */
#include "descriptor.bpf.h"
#include "other_sockets.bpf.h"
#include "registers.bpf.h"

#define SOCK_TYPE_MASK 0xf /* include/linux/net.h */

/*
 * Whether the arguments of socket(2) tell that it has made no socket that is recorded here,
 * as those of most calls do. "false" is no answer.
 */
static __always_inline bool is_ordinary(struct task_struct *task)
{
#ifdef __TARGET_ARCH_x86
	struct pt_regs *regs = registers_of(task);

	switch ((__u32)regs->FIRST_ARGUMENT) {
	case AF_INET:
		/* __sock_create(): an old way to ask for AF_PACKET. */
		return (regs->SECOND_ARGUMENT & SOCK_TYPE_MASK) != SOCK_PACKET;
	case AF_INET6:
	case AF_UNIX:
	case AF_NETLINK:
		return true;
	}
#endif
	return false;
}

SEC("tracepoint/syscalls/sys_exit_socket")
int on_exit_socket(struct sys_exit_context *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct other other = {};
	struct sock *sk;

	if (ctx->ret < 0 || is_ordinary(task))
		return 0;
	sk = socket_of_fd(task, ctx->ret);
	if (!sk)
		return 0;
	other.sk = sk;
	other.socket = BPF_CORE_READ(sk, sk_socket);
	if (!other.socket)
		return 0;
	record_family(&other);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

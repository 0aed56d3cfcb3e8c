// SPDX-License-Identifier: GPL-2.0
/*
 * other_families_tp: other_families for kernels that refuse fexit, by the tracepoint at the
 * end of socket(2). It misses the sockets that io_uring and 32-bit programs create. By then
 * the descriptor may name another file, if a second thread has closed the socket.
 */
#include "descriptor.bpf.h"
#include "other_sockets.bpf.h"

SEC("tracepoint/syscalls/sys_exit_socket")
int on_exit_socket(struct sys_exit_context *ctx)
{
	struct other other = {};
	struct sock *sk;

	if (ctx->ret < 0)
		return 0;
	sk = socket_of_fd(bpf_get_current_task_btf(), ctx->ret);
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

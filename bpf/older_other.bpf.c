// SPDX-License-Identifier: GPL-2.0
/*
 * older_other: records the sockets that were open before the attachment and are neither TCP
 * nor UDP, and which process has each open. An iterator over the files of all tasks, which
 * attach.sh reads once; open_sockets.bpf.c does the same for connections.
 */
#include "other_sockets.bpf.h"

SEC("iter/task_file")
int on_read_holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct other other = { .flags = OTHER_BEFORE };
	struct socket *socket;
	struct sock *sk;

	if (!task || !file || task->flags & PF_KTHREAD)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	other.sk = sk;
	other.socket = socket;
	other.family = sk->__sk_common.skc_family;
	other.kind = other_kind(other.family, socket->type, sk->sk_protocol);
	if (other.kind == OTHER_KINDS)
		return 0;
	other.cookie = sk->__sk_common.skc_cookie.counter;
	set_protocol(&other);
	record_other(&other, task);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The socket behind a file descriptor, at the end of a system call: for tracepoints, which
 * are given no socket. All that is read here is of a pointer that the verifier knows nothing
 * of. BPF side only.
 */
#ifndef CONNPIN_DESCRIPTOR_BPF_H
#define CONNPIN_DESCRIPTOR_BPF_H

#include "opened.bpf.h"

/* What perf_syscall_exit() of kernel/trace/trace_syscalls.c passes. */
struct sys_exit_context {
	__u64 regs;
	__u64 number;
	__s64 ret;
};

/*
 * The socket that the descriptor FD of TASK names, or NULL. The kernel takes an int,
 * whatever else is in the register.
 */
static __always_inline struct sock *socket_of_fd(struct task_struct *task, unsigned int fd)
{
	struct file **files = task->files->fdt->fd, *file = NULL;
	struct socket *socket;

	if (fd >= task->files->fdt->max_fds)
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	socket = BPF_CORE_READ(file, private_data);
	/* Another thread may have closed it meanwhile, and opened something else. */
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return NULL;
	return BPF_CORE_READ(socket, sk);
}

/* As set_connection() of opened.bpf.h. */
static __always_inline void set_connection_of(struct opened *opened, struct sock *sk)
{
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);

	opened->key.src_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	opened->key.dst_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	opened->key.protocol = BPF_CORE_READ(sk, sk_protocol);
	if (bpf_core_field_exists(net->net_cookie))
		opened->netns_cookie = BPF_CORE_READ(net, net_cookie);
	else if (bpf_core_field_exists(net->ns.ns_id))
		opened->netns_cookie = BPF_CORE_READ(net, ns.ns_id);
	opened->netns = BPF_CORE_READ(net, ns.inum);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		set_v4(opened->key.dst_ip, BPF_CORE_READ(sk, __sk_common.skc_daddr));
		set_src_v4(opened->src_ip, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	} else if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) {
		bpf_core_read(opened->key.dst_ip, sizeof(opened->key.dst_ip),
			      &sk->__sk_common.skc_v6_daddr);
		bpf_core_read(opened->src_ip, sizeof(opened->src_ip),
			      &sk->__sk_common.skc_v6_rcv_saddr);
	}
}

#endif

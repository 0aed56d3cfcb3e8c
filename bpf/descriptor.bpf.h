/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The socket behind a file descriptor, at the end of a system call. Tracepoints need it
 * because their context has no socket. The verifier knows no type for what a descriptor
 * leads to, so that is read by bpf_probe_read_kernel(). BPF side only.
 */
#ifndef CONNPIN_DESCRIPTOR_BPF_H
#define CONNPIN_DESCRIPTOR_BPF_H

#include "opened.bpf.h"

/* The context that perf_syscall_exit() of kernel/trace/trace_syscalls.c passes. */
struct sys_exit_context {
	__u64 regs;
	__u64 number;
	__s64 ret;
};

/*
 * The socket of descriptor FD of TASK, or NULL. FD is an int because the kernel uses only
 * these 32 bits of the register.
 */
static __always_inline struct sock *socket_of_fd(struct task_struct *task, unsigned int fd)
{
	struct file **files = task->files->fdt->fd, *file = NULL;
	struct socket *socket;

	if (fd >= task->files->fdt->max_fds)
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	socket = BPF_CORE_READ(file, private_data);
	/* Another thread may have closed FD and opened something else under its number. */
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return NULL;
	return BPF_CORE_READ(socket, sk);
}

/* The same as set_connection() of opened.bpf.h, for a pointer without a type. */
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

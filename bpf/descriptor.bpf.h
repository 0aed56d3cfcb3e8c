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

/*
 * The first bytes of a struct sock. All that set_connection_of() needs is in there: on a
 * kernel where it is not, the verifier refuses the access beyond the copy.
 */
#define SOCK_COMMON_BYTES 128

/* The member of type TYPE in COPY, which is of a struct sock_common. */
#define COPIED(copy, type, member) \
	((type *)((copy) + bpf_core_field_offset(struct sock_common, member)))

/*
 * The same as set_connection() of opened.bpf.h, for a pointer without a type: one call copies
 * all that it needs of the socket.
 */
static __always_inline void set_connection_of(struct opened *opened, struct sock *sk)
{
	struct net *own = bpf_get_current_task_btf()->nsproxy->net_ns, *net;
	__u8 copy[SOCK_COMMON_BYTES] __attribute__((aligned(8)));

	if (bpf_probe_read_kernel(copy, sizeof(copy), sk) < 0)
		return;
	opened->key.src_port = *COPIED(copy, __u16, skc_num);
	opened->key.dst_port = bpf_ntohs(*COPIED(copy, __u16, skc_dport));
	opened->key.protocol = BPF_CORE_READ(sk, sk_protocol);
	net = *COPIED(copy, struct net *, skc_net.net);
	if (net == own) {
		opened->netns_cookie = netns_cookie_of(own);
		opened->netns = own->ns.inum;
	} else {
		if (bpf_core_field_exists(net->net_cookie))
			opened->netns_cookie = BPF_CORE_READ(net, net_cookie);
		else if (bpf_core_field_exists(net->ns.ns_id))
			opened->netns_cookie = BPF_CORE_READ(net, ns.ns_id);
		opened->netns = BPF_CORE_READ(net, ns.inum);
	}
	if (*COPIED(copy, __u16, skc_family) == AF_INET) {
		set_v4(opened->key.dst_ip, *COPIED(copy, __u32, skc_daddr));
		set_src_v4(opened->src_ip, *COPIED(copy, __u32, skc_rcv_saddr));
	} else if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) {
		__builtin_memcpy(opened->key.dst_ip, COPIED(copy, __u8, skc_v6_daddr), 16);
		__builtin_memcpy(opened->src_ip, COPIED(copy, __u8, skc_v6_rcv_saddr), 16);
	}
}

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * udp_connect where the kernel refuses fexit: the tracepoint at the end of connect(2).
 *
 * Still before the first packet. It costs every system call of the host some
 * nanoseconds, because the kernel then takes its traced path for all of them, and it
 * misses the connects of io_uring and of 32-bit programs, which that path leaves out.
 */
#include "udp_connect.bpf.h"

/* The first argument of the system call, which no call may change. */
#if defined(__TARGET_ARCH_x86)
#define FIRST_ARGUMENT di
#elif defined(__TARGET_ARCH_arm64)
#define FIRST_ARGUMENT orig_x0
#elif defined(__TARGET_ARCH_riscv)
#define FIRST_ARGUMENT orig_a0
#elif defined(__TARGET_ARCH_s390)
#define FIRST_ARGUMENT orig_gpr2
#elif defined(__TARGET_ARCH_powerpc)
#define FIRST_ARGUMENT orig_gpr3
#else
#error "which register keeps the first argument of a system call?"
#endif

struct pt_regs {
	unsigned long FIRST_ARGUMENT;
} __attribute__((preserve_access_index));

/* The socket that the descriptor names, or NULL. */
static __always_inline struct sock *socket_of(struct task_struct *task, unsigned long fd)
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

/* The same as in udp_connect.bpf.h, of a pointer that the verifier knows nothing of. */
static __always_inline void record_connected(struct sock *sk)
{
	__u32 netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	__u16 dst_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	__u16 src_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	struct in6_addr dst = {};

	/* connect(2) with AF_UNSPEC disconnects. */
	if (!dst_port)
		return;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		dst.in6_u.u6_addr32[2] = bpf_htonl(0xffff);
		dst.in6_u.u6_addr32[3] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	} else {
		bpf_core_read(&dst, sizeof(dst), &sk->__sk_common.skc_v6_daddr);
	}
	record_connected_to(dst.in6_u.u6_addr32, src_port, dst_port, netns);
}

/* What perf_syscall_exit() of kernel/trace/trace_syscalls.c passes. */
struct sys_exit_context {
	__u64 regs;
	__u64 number;
	__s64 ret;
};

SEC("tracepoint/syscalls/sys_exit_connect")
int on_exit_connect(struct sys_exit_context *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct sock *sk;

	if (ctx->ret != 0)
		return 0;
	sk = socket_of(task, ((struct pt_regs *)bpf_task_pt_regs(task))->FIRST_ARGUMENT);
	if (!sk || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_UDP)
		return 0;
	record_connected(sk);
	return 0;
}

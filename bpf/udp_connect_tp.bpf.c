// SPDX-License-Identifier: GPL-2.0
/*
 * udp_connect_tp: udp_connect for kernels that refuse fexit, by the tracepoint at the end
 * of connect(2).
 *
 * No packet has left by then. But the tracepoint makes the kernel take its traced path for
 * every system call of the host, which costs some nanoseconds each, and it misses the
 * connects of io_uring and of 32-bit programs, which do not take that path.
 *
 * The two hooks at the beginning of a connect miss none, but they run before the kernel
 * chooses a port. They keep the socket for the tracepoint, because the descriptor may name
 * another one by the end. If the tracepoint will not see the end, they record the process
 * at once for a socket that has a port; for a socket without one they mark earlier records
 * of its destination as uncertain, because their port may be this socket's by now.
 */
#include "udp_connect.bpf.h"

#include "descriptor.bpf.h"
#include "registers.bpf.h"
#include "udp_connect.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UDP_CONNECTING_ENTRIES);
	__type(key, __u32);
	__type(value, struct udp_connecting);
} udp_connecting SEC(".maps");

#define STALE_NS 1000000000 /* a UDP connect takes microseconds: the thread is gone */

/*
 * Whether the tracepoint will see the end of this task's system call. It does for
 * connect(2) of a 64-bit program, and nothing else is taken to be seen.
 */
static __always_inline bool ends_in_sight(struct task_struct *task)
{
#ifdef NUMBER
	struct pt_regs *regs = registers_of(task);

	if (task->flags & (PF_KTHREAD | PF_IO_WORKER) || regs->NUMBER != NR_CONNECT)
		return false;
#ifdef TS_COMPAT
	return !(task->thread_info.status & TS_COMPAT);
#else
	return !(task->thread_info.flags & 1UL << TIF_32BIT);
#endif
#else
	/* There is no check for this processor. */
	return !(task->flags & (PF_KTHREAD | PF_IO_WORKER));
#endif
}

static __always_inline struct udp_connecting *slot_of(__u32 tid)
{
	__u32 index = tid & (UDP_CONNECTING_ENTRIES - 1);

	return bpf_map_lookup_elem(&udp_connecting, &index);
}

/* Keep the socket of CTX until the connect ends. False when another thread has the slot. */
static __always_inline bool keep_socket(struct bpf_sock_addr *ctx, struct task_struct *task)
{
	struct bpf_sock_addr_kern *kern = (void *)ctx;
	struct udp_connecting *slot = slot_of(task->pid);
	__u64 now = bpf_ktime_get_boot_ns();
	__u32 other;

	if (!slot)
		return false;
	other = slot->tid;
	if (other && other != (__u32)task->pid && now - slot->time < STALE_NS)
		return false;
	/* A full barrier; only this thread uses the rest of the slot from here on. */
	if (__sync_val_compare_and_swap(&slot->tid, other, task->pid) != other)
		return false;
	slot->time = now;
	slot->cookie = bpf_get_socket_cookie(ctx);
	return bpf_core_read(&slot->socket, sizeof(slot->socket), &kern->sk) == 0;
}

/*
 * OPENED has its destination; if the socket is bound, it has source port and address as
 * well.
 */
static __always_inline void on_connect(struct bpf_sock_addr *ctx, struct opened *opened)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct net *net = task->nsproxy->net_ns;

	if (ends_in_sight(task) && keep_socket(ctx, task))
		return;
	if (!opened->key.src_port) {
		identify_unseen(&opened->key);
		return;
	}
	opened->netns_cookie = bpf_get_netns_cookie(ctx);
	if (opened->netns_cookie == netns_cookie_of(net))
		opened->netns = net->ns.inum;
	record_either(opened);
}

SEC("cgroup/connect4")
int handle_connect4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct opened opened = {};
	__u32 dst = ctx->user_ip4;

	if (!sk || ctx->protocol != IPPROTO_UDP)
		return 1;
	if (dst == 0)
		dst = sk->src_ip4 ? sk->src_ip4 : bpf_htonl(0x7f000001);
	set_v4(opened.key.dst_ip, dst);
	set_src_v4(opened.src_ip, sk->src_ip4);
	opened.key.src_port = sk->src_port;
	opened.key.dst_port = bpf_ntohs(ctx->user_port);
	opened.key.protocol = IPPROTO_UDP;
	on_connect(ctx, &opened);
	return 1;
}

SEC("cgroup/connect6")
int handle_connect6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct opened opened = {};

	if (!sk || ctx->protocol != IPPROTO_UDP)
		return 1;
	opened.key.dst_ip[0] = READ_ONCE(ctx->user_ip6[0]);
	opened.key.dst_ip[1] = READ_ONCE(ctx->user_ip6[1]);
	opened.key.dst_ip[2] = READ_ONCE(ctx->user_ip6[2]);
	opened.key.dst_ip[3] = READ_ONCE(ctx->user_ip6[3]);
	if (!(opened.key.dst_ip[0] | opened.key.dst_ip[1] | opened.key.dst_ip[2] |
	      opened.key.dst_ip[3]))
		opened.key.dst_ip[3] = bpf_htonl(1);
	opened.src_ip[0] = READ_ONCE(sk->src_ip6[0]);
	opened.src_ip[1] = READ_ONCE(sk->src_ip6[1]);
	opened.src_ip[2] = READ_ONCE(sk->src_ip6[2]);
	opened.src_ip[3] = READ_ONCE(sk->src_ip6[3]);
	opened.key.src_port = sk->src_port;
	opened.key.dst_port = bpf_ntohs(ctx->user_port);
	opened.key.protocol = IPPROTO_UDP;
	on_connect(ctx, &opened);
	return 1;
}

/* The socket whose connect has just ended, or NULL. */
static __always_inline struct sock *connected_socket(struct task_struct *task)
{
	struct udp_connecting *slot = slot_of(task->pid);
	struct sock *sk;
	__u64 cookie;

	if (!slot || slot->tid != (__u32)task->pid)
		return socket_of_fd(task, registers_of(task)->FIRST_ARGUMENT);
	sk = (struct sock *)slot->socket;
	cookie = slot->cookie;
	/* A full barrier: all of the slot is read before another thread can have it. */
	__sync_lock_test_and_set(&slot->tid, 0);
	/* If it was closed meanwhile, its memory may be another socket's. */
	return (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) == cookie ? sk : NULL;
}

static __always_inline void record_connected(struct sock *sk)
{
	struct opened opened = {};

	set_connection_of(&opened, sk);
	/* connect(2) with AF_UNSPEC disconnects. */
	if (opened.key.dst_port)
		record_either(&opened);
}

SEC("tracepoint/syscalls/sys_exit_connect")
int on_exit_connect(struct sys_exit_context *ctx)
{
	/*
	 * This also runs for processes in cgroups that the two hooks above are not attached
	 * to.
	 */
	struct sock *sk = connected_socket(bpf_get_current_task_btf());

	if (ctx->ret == 0 && sk && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_UDP)
		record_connected(sk);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

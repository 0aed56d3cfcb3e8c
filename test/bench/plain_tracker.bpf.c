// SPDX-License-Identifier: GPL-2.0
/*
 * plain_tracker: the least that a tracker of connections can do, to measure
 * port_tracker against: one LRU update for each connect and for each datagram, whatever
 * was there.
 */
#include "kernel.h"
#include "port_tracker.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONN_V4_ENTRIES);
	__type(key, struct conn_key_v4);
	__type(value, conn_pid);
} plain_conns SEC(".maps");

static __always_inline void track(__u32 dst_ip, __u16 src_port, __u16 dst_port, __u8 protocol)
{
	struct conn_key_v4 key = {
		.dst_ip = dst_ip,
		.src_port = src_port,
		.dst_port = dst_port,
		.protocol = protocol,
	};
	struct task_struct *task = bpf_get_current_task_btf();
	conn_pid pid = task->tgid;

	bpf_map_update_elem(&plain_conns, &key, &pid, BPF_ANY);
}

SEC("sockops")
int plain_sockops(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		track(ctx->remote_ip4, ctx->local_port, bpf_ntohl(ctx->remote_port), IPPROTO_TCP);
	return 1;
}

SEC("cgroup/sendmsg4")
int plain_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (sk)
		track(ctx->user_ip4, sk->src_port, bpf_ntohs(ctx->user_port), IPPROTO_UDP);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";

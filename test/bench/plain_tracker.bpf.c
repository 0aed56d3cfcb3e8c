// SPDX-License-Identifier: GPL-2.0
/*
 * plain_tracker: the least that a tracker of TCP connections can do, to measure
 * port_tracker against: one LRU update for each connect, whatever was there.
 */
#include "kernel.h"
#include "port_tracker.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONN_V4_ENTRIES);
	__type(key, struct conn_key_v4);
	__type(value, conn_pid);
} plain_conns SEC(".maps");

SEC("sockops")
int plain_sockops(struct bpf_sock_ops *ctx)
{
	struct conn_key_v4 key = { .protocol = IPPROTO_TCP };
	struct task_struct *task;
	conn_pid pid;

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
		return 1;
	task = bpf_get_current_task_btf();
	pid = task->tgid;
	key.dst_ip = ctx->remote_ip4;
	key.src_port = ctx->local_port;
	key.dst_port = bpf_ntohl(ctx->remote_port);
	bpf_map_update_elem(&plain_conns, &key, &pid, BPF_ANY);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";

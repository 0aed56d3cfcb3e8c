// SPDX-License-Identifier: GPL-2.0
/*
 * empty_hooks: programs that do nothing, where port_tracker and tcp_monitor have
 * theirs: what the kernel takes for the hooks alone.
 */
#include "kernel.h"

SEC("sockops")
int empty_sockops(struct bpf_sock_ops *ctx)
{
	return 1;
}

SEC("cgroup/sendmsg4")
int empty_sendmsg4(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/recvmsg4")
int empty_recvmsg4(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("tp_btf/inet_sock_set_state")
int empty_set_state(void *ctx)
{
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int empty_send_reset(void *ctx)
{
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int empty_receive_reset(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

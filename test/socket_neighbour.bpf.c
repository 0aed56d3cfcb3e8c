// SPDX-License-Identifier: GPL-2.0
/* socket_neighbour: a program of others at the creation of sockets, which lets all pass. */
#include "kernel.h"

SEC("cgroup/sock_create")
int allow_socket(struct bpf_sock *ctx)
{
	return 1;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/*
 * other_families: records who makes a socket of AF_PACKET, AF_XDP, AF_SMC, AF_VSOCK and
 * other families that reach other hosts and pass no cgroup hook, by fexit on the function
 * that makes all sockets. other_families_tp is for kernels that refuse fexit.
 */
#include "other_sockets.bpf.h"

SEC("fexit/__sock_create")
int BPF_PROG(on_socket, struct net *net, int family, int type, int protocol, void *unused, int kern,
	     int ret)
{
	struct other other = {};
	struct socket **made = NULL, *socket = NULL;

	/* SOCK_PACKET of AF_INET makes a packet socket. */
	if (((family == AF_INET || family == AF_INET6) && type != SOCK_PACKET) ||
	    family == AF_UNIX || family == AF_NETLINK)
		return 0;
	if (ret < 0 || kern)
		return 0;
	/* The fifth argument: to the verifier a pointer to a pointer is no argument to look at. */
	bpf_probe_read_kernel(&made, sizeof(made), &ctx[4]);
	bpf_probe_read_kernel(&socket, sizeof(socket), made);
	if (!socket)
		return 0;
	other.socket = socket;
	other.sk = BPF_CORE_READ(socket, sk);
	if (!other.sk)
		return 0;
	record_family(&other);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

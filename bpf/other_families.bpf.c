// SPDX-License-Identifier: GPL-2.0
/*
 * other_families: records which process creates a socket of AF_PACKET, AF_XDP, AF_SMC,
 * AF_VSOCK or another family that reaches other hosts and passes no cgroup hook. It uses
 * fexit on the function that creates all sockets; other_families_tp is for kernels that
 * refuse fexit.
 */
#include "other_sockets.bpf.h"

SEC("fexit/__sock_create")
int BPF_PROG(on_socket, struct net *net, int family, int type, int protocol, void *unused, int kern,
	     int ret)
{
	struct other other = {};
	struct socket **made = NULL, *socket = NULL;

	/* With SOCK_PACKET, AF_INET creates a packet socket. */
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

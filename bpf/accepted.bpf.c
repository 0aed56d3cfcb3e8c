// SPDX-License-Identifier: GPL-2.0
/*
 * accepted: records which process accepts a TCP connection, by fexit on the function that
 * takes the connection from the queue. accept(2), io_uring and MPTCP all call it. This
 * object is for Linux 6.10 and later, accepted_early for earlier kernels, accepted_tp for
 * kernels that refuse fexit.
 */
#include "accepted.bpf.h"

struct proto_accept_arg;

SEC("fexit/inet_csk_accept")
int BPF_PROG(on_accept, struct sock *listener, struct proto_accept_arg *arg, struct sock *sk)
{
	if (sk)
		on_accepted(sk);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

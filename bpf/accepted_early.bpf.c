// SPDX-License-Identifier: GPL-2.0
/* accepted_early: accepted for Linux up to 6.9, where the function takes other arguments. */
#include "accepted.bpf.h"

SEC("fexit/inet_csk_accept")
int BPF_PROG(on_accept, struct sock *listener, int flags, int *err, bool kern, struct sock *sk)
{
	if (sk)
		on_accepted(sk);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

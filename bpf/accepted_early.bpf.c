// SPDX-License-Identifier: GPL-2.0
/* accepted_early: accepted up to Linux 6.9, where the function has other arguments. */
#include "accepted.bpf.h"

SEC("fexit/inet_csk_accept")
int BPF_PROG(on_accept, struct sock *listener, int flags, int *err, bool kern, struct sock *sk)
{
	if (sk)
		on_accepted(sk);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/* Loads where the kernel lets a program run for each socket, when somebody reads. */
#include "kernel.h"

SEC("iter/tcp")
int probe(struct bpf_iter__tcp *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

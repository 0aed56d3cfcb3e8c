// SPDX-License-Identifier: GPL-2.0
/* Loads where the kernel lets a program run when one of its functions ends. */
#include "kernel.h"

SEC("fexit/tcp_set_state")
int probe(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

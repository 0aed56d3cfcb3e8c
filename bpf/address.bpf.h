/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs have to know about IPv6 addresses. BPF side only. */
#ifndef CONNPIN_ADDRESS_BPF_H
#define CONNPIN_ADDRESS_BPF_H

#include "kernel.h"

/*
 * Whether an IPv6 address that begins with these three words, in network byte order, is
 * IPv4-mapped (::ffff:a.b.c.d). Its packets are IPv4, so it is keyed as IPv4 and is not
 * blocked.
 */
static __always_inline bool is_v4_mapped(__u32 w0, __u32 w1, __u32 w2)
{
	return w0 == 0 && w1 == 0 && w2 == bpf_htonl(0xffff);
}

#endif

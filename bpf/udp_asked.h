/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Who asked a UDP server: map `udp_asked`, an array that is nobody's but the programs' and
 * root's. Key: a hash of socket and sender, see bpf/udp_asked.bpf.h. The newest holds: one
 * that was overwritten is a datagram whose reply is recorded as any other.
 */
#ifndef CONNPIN_UDP_ASKED_H
#define CONNPIN_UDP_ASKED_H

#include <linux/types.h>

#define UDP_ASKED_ENTRIES 16384 /* a power of 2: requests that wait for their reply */

struct udp_asked {
	__u64 cookie; /* SO_COOKIE of the socket that received; 0: free */
	__u32 ip[4];  /* of who sent, network byte order; IPv4 as ::ffff:a.b.c.d */
	__u32 port;   /* likewise, host byte order */
	__u32 pad;    /* 0 */
};

_Static_assert(sizeof(struct udp_asked) == 32, "a new layout needs a new map");

#endif

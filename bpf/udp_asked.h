/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The peers that sent to a UDP server first: map `udp_asked`, an array for the programs and
 * root alone. Key: a hash of socket and sender, see bpf/udp_asked.bpf.h. A newer entry
 * overwrites an older one; the reply that this was for is recorded like any other datagram.
 */
#ifndef CONNPIN_UDP_ASKED_H
#define CONNPIN_UDP_ASKED_H

#include <linux/types.h>

#define UDP_ASKED_ENTRIES 16384 /* a power of 2: requests waiting for their reply */

struct udp_asked {
	__u64 cookie; /* SO_COOKIE of the socket that received; 0: free */
	__u32 ip[4];  /* of the sender, network byte order; IPv4 as ::ffff:a.b.c.d */
	__u32 port;   /* likewise, host byte order */
	__u32 pad;    /* 0 */
};

_Static_assert(sizeof(struct udp_asked) == 32, "a new layout needs a new map");

#endif

/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Which UDP sockets are being connected now: map `udp_connecting`, an array that is nobody's
 * but udp_connect_tp's and root's, since it holds addresses of the kernel. Key: the low bits
 * of a thread's number in the initial PID namespace.
 */
#ifndef CONNPIN_UDP_CONNECT_H
#define CONNPIN_UDP_CONNECT_H

#include <linux/types.h>

#define UDP_CONNECTING_ENTRIES 1024 /* a power of 2: threads that connect at one moment */

struct udp_connecting {
	__u64 socket; /* the kernel's struct sock */
	__u64 cookie; /* SO_COOKIE of it */
	__u64 time;   /* when the connect began, ns since boot */
	__u32 tid;    /* the thread; 0: free */
	__u32 pad;
};

_Static_assert(sizeof(struct udp_connecting) == 32, "a new layout needs a new map");

#endif

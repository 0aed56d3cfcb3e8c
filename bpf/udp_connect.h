/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The UDP sockets that are being connected: map `udp_connecting`, an array. It is for
 * udp_connect_tp and root alone, because it has kernel addresses. Key: the low bits of a
 * thread's number in the initial PID namespace.
 */
#ifndef CONNPIN_UDP_CONNECT_H
#define CONNPIN_UDP_CONNECT_H

#include <linux/types.h>

#define UDP_CONNECTING_ENTRIES 1024 /* a power of 2: threads that connect at one time */

struct udp_connecting {
	__u64 socket; /* address of its struct sock */
	__u64 cookie; /* its SO_COOKIE */
	__u64 time;   /* when the connect began, ns since boot */
	__u32 tid;    /* the thread; 0: free */
	__u32 pad;
};

_Static_assert(sizeof(struct udp_connecting) == 32, "a new layout needs a new map");

#endif

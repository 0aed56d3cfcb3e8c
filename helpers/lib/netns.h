/* SPDX-License-Identifier: MIT */
/* Network namespaces, by the number that the kernel never uses again. */
#ifndef CONNPIN_LIB_NETNS_H
#define CONNPIN_LIB_NETNS_H

#include <linux/types.h>
#include <stdbool.h>

/* The cookie of the caller's own, 0 when it can't be told. Asked once. */
__u64 own_netns_cookie(void);

/* Of the one that FILE, opened, is of; 0 with errno set when it can't be told. */
__u64 netns_cookie(int file);

/* Whether the own namespace has IP, IPv4 as ::ffff:a.b.c.d, as an address of its own. */
bool is_own_address(const __u32 ip[4]);

#endif

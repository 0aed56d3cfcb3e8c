/* SPDX-License-Identifier: MIT */
/* Network namespaces, by their cookie: a number that the kernel never uses again. */
#ifndef CONNPIN_LIB_NETNS_H
#define CONNPIN_LIB_NETNS_H

#include "address.h"

#include <linux/types.h>
#include <stdbool.h>

/* The cookie of the caller's namespace, or 0 when it can't be told. The kernel is asked once. */
__u64 own_netns_cookie(void);

/*
 * The cookie of the namespace that FILE, a descriptor of /proc/PID/ns/net or the like, is of.
 * 0 with errno set when it can't be told: before Linux 6.18 that takes root.
 */
__u64 netns_cookie(int file);

/* Whether the own namespace has ADDRESS as one of its own. True when that can't be told. */
bool is_own_address(const struct address *address);

#endif

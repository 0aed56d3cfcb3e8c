/* SPDX-License-Identifier: MIT */
/* The sockets of this moment, by state. */
#ifndef CONNPIN_LIB_METRICS_LIVE_H
#define CONNPIN_LIB_METRICS_LIVE_H

#include "../../bpf/tcp_monitor.h"

/*
 * Run the iterator over all TCP sockets. Reading changes counters: what each socket has
 * carried by now is in them when this returns. 0, -ENOENT when an older connpin is attached,
 * which has no iterator, or another -errno.
 */
int read_sockets(struct tcp_live *live);

/* Print how many sockets are in each state. */
void print_sockets(const struct tcp_live *live);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef CONNPIN_LIB_METRICS_SELF_H
#define CONNPIN_LIB_METRICS_SELF_H

#include "../../bpf/tcp_monitor.h"

/* Read what the tracker counts of itself. 0 or -errno. */
int read_tracker(void);

/*
 * Put what connpin tells of itself on standard output. LIVE is NULL when it is not known;
 * SOCKETS_FULL and STARTED_NS, by CLOCK_MONOTONIC, are of this scrape.
 */
void print_about(const struct tcp_live *live, __u64 sockets_full, __u64 started_ns);

#endif

/* SPDX-License-Identifier: MIT */
/* Self metrics: what connpin tells of itself. */
#ifndef CONNPIN_LIB_METRICS_SELF_H
#define CONNPIN_LIB_METRICS_SELF_H

#include "../../bpf/tcp_monitor.h"

/* Read the counters of the tracker; an older connpin has none, which is 0 for each. 0 or -errno. */
int read_tracker(void);

/*
 * Print the self metrics. LIVE is what read_sockets() gave, or NULL. SOCKETS_FULL is that
 * counter of struct tcp_metrics, and STARTED_NS when this scrape began, by CLOCK_MONOTONIC.
 */
void print_about(const struct tcp_live *live, __u64 sockets_full, __u64 started_ns);

#endif

/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The TCP counters: layout of the map `tcp_metrics`.
 *
 * A per-CPU array with one entry, key __u32 0. A reader gets one struct for
 * each possible CPU and adds them up; the counters count up from the first
 * attachment and wrap at 2^64. Host byte order.
 */
#ifndef CONNPIN_TCP_MONITOR_H
#define CONNPIN_TCP_MONITOR_H

#include <linux/types.h>

#define TCP_METRICS_ENTRIES 1

struct tcp_metrics {
	__u64 active_connections;  /* SYN_SENT to ESTABLISHED */
	__u64 passive_connections; /* SYN_RECV to ESTABLISHED */
	__u64 failed_connections;  /* SYN_SENT to CLOSE */
	__u64 resets_sent;	   /* RST segments */
	__u64 resets_received;	   /* RST segments that ended a connection or attempt */
};

_Static_assert(sizeof(struct tcp_metrics) == 40, "a new layout needs a new map");

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Maps of counters: per-CPU arrays whose values are __u64 and nothing else. A counter is the
 * sum over all CPUs and all keys.
 */
#ifndef CONNPIN_LIB_COUNTERS_H
#define CONNPIN_LIB_COUNTERS_H

#include <stddef.h>

#include <linux/types.h>

/*
 * Add up the values of MAP into the COUNT counters at SUM. Where the map has fewer counters,
 * because an older connpin made it, the others are 0. 0 or -errno.
 */
int sum_counters(int map, __u64 *sum, size_t count);

#endif

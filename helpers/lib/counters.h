/* SPDX-License-Identifier: MIT */
/*
 * Maps of counters: per-CPU arrays whose values are __u64 and nothing else, added up
 * over CPUs and keys.
 */
#ifndef CONNPIN_LIB_COUNTERS_H
#define CONNPIN_LIB_COUNTERS_H

#include <stddef.h>

#include <linux/types.h>

/*
 * Add up the values of MAP, all keys and CPUs, into the COUNT counters at SUM. A map
 * of an older layout has fewer of them: the rest are 0. 0 or -errno.
 */
int sum_counters(int map, __u64 *sum, size_t count);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* The tracker's self metrics as the programs write them. BPF side only. */
#ifndef CONNPIN_TRACKER_METRICS_BPF_H
#define CONNPIN_TRACKER_METRICS_BPF_H

#include "kernel.h"
#include "port_tracker.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TRACKER_METRICS_ENTRIES);
	__type(key, __u32);
	__type(value, struct tracker_metrics);
} tracker_metrics SEC(".maps");

/*
 * Count at OFFSET of this CPU's struct tracker_metrics. Atomic, because another task that
 * records may preempt this one on the same CPU.
 */
static __always_inline void count_tracker(__u32 offset)
{
	__u32 key = 0;
	void *metrics = bpf_map_lookup_elem(&tracker_metrics, &key);

	if (metrics)
		__sync_fetch_and_add((__u64 *)(metrics + offset), 1);
}

#define COUNT_TRACKER(member) count_tracker(offsetof(struct tracker_metrics, member))

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* How many sockets that are neither TCP nor UDP were made. BPF side only. */
#ifndef CONNPIN_OTHER_COUNTS_BPF_H
#define CONNPIN_OTHER_COUNTS_BPF_H

#include "kernel.h"
#include "other_sockets.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct other_counts);
} other_socket_counts SEC(".maps");

#endif

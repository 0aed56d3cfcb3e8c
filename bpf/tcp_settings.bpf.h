/* SPDX-License-Identifier: GPL-2.0 */
/* The settings that attach.sh writes for the TCP programs. BPF side only. */
#ifndef CONNPIN_TCP_SETTINGS_BPF_H
#define CONNPIN_TCP_SETTINGS_BPF_H

#include "kernel.h"
#include "tcp_monitor.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCP_SETTINGS_ENTRIES);
	__type(key, __u32);
	__type(value, struct tcp_settings);
} tcp_settings SEC(".maps");

#endif

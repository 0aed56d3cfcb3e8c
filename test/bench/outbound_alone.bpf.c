// SPDX-License-Identifier: GPL-2.0
/*
 * outbound_alone: port_tracker without accepted connections and without the ends of
 * connections, to measure what these cost.
 */
#define NO_INBOUND
#include "port_tracker.bpf.c"

// SPDX-License-Identifier: GPL-2.0
/* events_alone: handle_sockops without what it records, to measure what its counting costs. */
#define PARTS TCP_EVENTS
#include "port_tracker.bpf.c"

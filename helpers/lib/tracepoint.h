/* SPDX-License-Identifier: MIT */
/* The kernel's static tracepoints. */
#ifndef CONNPIN_TRACEPOINT_H
#define CONNPIN_TRACEPOINT_H

#include <stdint.h>

/*
 * The number by which perf_event_open(2) knows the tracepoint NAME, "GROUP/NAME", or -errno.
 * It is read from an instance of tracefs of our own, so that none has to be mounted on this
 * host.
 */
int64_t tracepoint_id(const char *name);

#endif

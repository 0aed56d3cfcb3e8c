/* SPDX-License-Identifier: MIT */
/* Self metrics: what connpin's own BPF programs cost, and what they missed. */
#ifndef CONNPIN_LIB_METRICS_PROGRAMS_H
#define CONNPIN_LIB_METRICS_PROGRAMS_H

/*
 * Print how often the kernel skipped each program, and where it has kept statistics
 * (kernel.bpf_stats_enabled), how often each ran and for how long. Prints nothing when that
 * can't be read.
 */
void print_programs(void);

#endif

/* SPDX-License-Identifier: MIT */
/* What connpin's own programs cost and miss, as metrics. */
#ifndef CONNPIN_LIB_METRICS_PROGRAMS_H
#define CONNPIN_LIB_METRICS_PROGRAMS_H

/*
 * Put it on standard output: how often the kernel skipped a program, and once it has kept
 * statistics (kernel.bpf_stats_enabled) how often each ran, and for how long. Nothing
 * where that can't be read.
 */
void print_programs(void);

#endif

/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The content of links/on_read_programs: a struct program_runs for each loaded program of
 * connpin, ordered by id. During an upgrade a name may appear twice. Host byte order. All
 * counts begin when the program was loaded.
 */
#ifndef CONNPIN_PROGRAM_STATS_H
#define CONNPIN_PROGRAM_STATS_H

#include <linux/types.h>

#define PROGRAM_NAME_BYTES 16 /* BPF_OBJ_NAME_LEN of <linux/bpf.h>: longer ones are cut */

struct program_runs {
	char name[PROGRAM_NAME_BYTES]; /* NUL-ended */
	__u64 loaded_ns;	       /* when it was loaded, on CLOCK_BOOTTIME */
	__u64 run_ns;		       /* time in it while kernel.bpf_stats_enabled was 1 */
	__u64 runs;		       /* times it ran, likewise */
	__u64 misses; /* times it was skipped, because it was running on that CPU already */
};

#endif

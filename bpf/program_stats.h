/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What reading links/on_read_programs gives: a struct program_runs for each of connpin's
 * programs that is loaded, in the order of their ids; during an upgrade a name may come
 * twice. Host byte order. Each counts from when that program was loaded.
 */
#ifndef CONNPIN_PROGRAM_STATS_H
#define CONNPIN_PROGRAM_STATS_H

#include <linux/types.h>

#define PROGRAM_NAME_BYTES 16 /* BPF_OBJ_NAME_LEN of <linux/bpf.h>: longer ones are cut */

struct program_runs {
	char name[PROGRAM_NAME_BYTES]; /* NUL-ended */
	__u64 loaded_ns;	       /* when, by CLOCK_BOOTTIME */
	__u64 run_ns;		       /* while kernel.bpf_stats_enabled was 1 */
	__u64 runs;		       /* likewise */
	__u64 misses; /* times it was due and skipped: it ran on that CPU already */
};

#endif

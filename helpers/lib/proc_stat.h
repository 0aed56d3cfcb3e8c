/* SPDX-License-Identifier: MIT */
/* The line /proc/PID/stat, in which the kernel tells the state of a process. */
#ifndef CONNPIN_LIB_PROC_STAT_H
#define CONNPIN_LIB_PROC_STAT_H

#include <stdint.h>

/* Times in /proc are in USER_HZ, which is 100 wherever the kernel has a compiler for BPF. */
#define TICK_NS 10000000u

struct proc_stat {
	char state; /* 'R', 'S', 'Z' (zombie), 'X' (dead)... */
	uint32_t parent;
	uint64_t threads;
	uint64_t start; /* in ticks since boot, as this process's time namespace has it */
};

/*
 * Read the file PATH, which is relative to the directory DIR as openat(2) has it. 0,
 * -EPROTO when it is no such line, or the -errno of reading it: -ENOENT or -ESRCH when
 * the process is gone.
 */
int read_proc_stat(int dir, const char *path, struct proc_stat *stat);

#endif

/* SPDX-License-Identifier: MIT */
/* The parents of a process, up to the first. */
#ifndef CONNPIN_LIB_ANCESTORS_H
#define CONNPIN_LIB_ANCESTORS_H

#include "process.h"

struct ancestor {
	__u32 pid;
	int comm_len; /* -1: not known, as with exe.len */
	char comm[IDENTITY_COMM_BYTES];
	struct process_text exe;
};

/*
 * CALL for each ancestor of PROCESS, the nearest first. Of a live process they are those of
 * this moment, as /proc shows them; of one that has ended the parent alone is known.
 */
void each_ancestor(const struct process *process, void (*call)(const struct ancestor *ancestor));

#endif

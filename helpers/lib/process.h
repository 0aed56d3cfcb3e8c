/* SPDX-License-Identifier: MIT */
/* What became of the process that an identity names, and what /proc tells of it. */
#ifndef CONNPIN_LIB_PROCESS_H
#define CONNPIN_LIB_PROCESS_H

#include "../../bpf/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum process_status {
	PROCESS_LIVE,	 /* it runs: PID and start time are the recorded ones */
	PROCESS_EXITED,	 /* nothing runs under this PID, or a zombie */
	PROCESS_REUSED,	 /* another process runs under this PID */
	PROCESS_UNKNOWN, /* can't be told: no identity, or /proc shows too little */
};

/* Longer ones are cut. */
#define PROCESS_TEXT_BYTES 4096

/* A text that may be unknown: then len is -1. It may hold any byte. */
struct process_text {
	int len;
	bool is_cut; /* of a command line: it is longer; its last character is whole */
	char bytes[PROCESS_TEXT_BYTES];
};

/* Whether the process runs another executable by now than when it opened the connection. */
enum exe_change {
	EXE_SAME,
	EXE_CHANGED,
	EXE_UNKNOWN, /* it may not be looked at, or its file system has other numbers for all */
};

struct process {
	enum process_status status;
	enum exe_change exe_changed;
	bool has_ppid;
	__u32 ppid;
	struct process_text exe;     /* that opened the connection: unknown when it changed */
	struct process_text cmdline; /* words with a space between two; likewise */
	struct process_text cgroup;  /* path in the version 2 hierarchy */
};

/*
 * Whether the process of IDENTITY still runs, and for a live one the rest. What may
 * not be read, or vanished meanwhile, is unknown. The answer is never of another
 * process: all of it is read through one descriptor, which stays with the process.
 */
void process_inspect(struct process *process, const struct conn_identity *identity,
		     bool want_cmdline);

/* Nothing is known, as where there is no identity to look for. */
void process_set_unknown(struct process *process);

/* The status alone. */
enum process_status process_status(const struct conn_identity *identity);

/*
 * Nanoseconds since boot, suspended time included, as the records have them: whatever time
 * namespace this process is in.
 */
uint64_t boot_time(void);

/* "live", "exited", "reused" or "unknown". */
const char *process_status_name(enum process_status status);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Whether the process that an identity names still runs, and what is known of it: by /proc
 * while it lives, and from the process table when it has ended, runs another program or may
 * not be looked at.
 */
#ifndef CONNPIN_LIB_PROCESS_H
#define CONNPIN_LIB_PROCESS_H

#include "../../bpf/identity.h"

#include "../../bpf/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum process_status {
	PROCESS_LIVE,	 /* it runs: the process with this PID started when it did */
	PROCESS_EXITED,	 /* no process has this PID, or it is a zombie */
	PROCESS_REUSED,	 /* another process has this PID now */
	PROCESS_UNKNOWN, /* there is no identity, or /proc shows too little */
};

/* Longer texts are cut. */
#define PROCESS_TEXT_BYTES 4096

/* A text, which may hold any byte and is not ended by a NUL. */
struct process_text {
	int len;     /* -1: it is not known */
	bool is_cut; /* it is longer: a command line is cut behind a whole character, a path in
			front */
	char bytes[PROCESS_TEXT_BYTES];
};

/* Whether the process runs another executable now than when it opened the connection. */
enum exe_change {
	EXE_SAME,
	EXE_CHANGED,
	EXE_UNKNOWN, /* it may not be looked at, or stat(2) does not tell: see compare_exe() */
};

struct process {
	enum process_status status;
	enum exe_change exe_changed;
	bool has_ppid;
	__u32 ppid;
	int parent_comm_len; /* -1: it is not known */
	char parent_comm[IDENTITY_COMM_BYTES];
	__u32 login_uid; /* PROCESS_NO_ID: nobody logged in, or it is not known; as the next */
	__u32 session_id;
	struct process_text exe;     /* path of the program that opened the connection */
	struct process_text cmdline; /* words with a space between two; as exe */
	struct process_text cgroup;  /* path in the hierarchy of version 2 */
};

/*
 * Fill in the status of the process of IDENTITY, and if it is live the rest; of one that has
 * ended, what the process table has, and the path of the cgroup while that is there. What may not
 * be read, or vanished meanwhile, is not known. Nothing is ever of another process, because all of
 * it is read through one descriptor of /proc/PID, which stays with the process.
 */
void process_inspect(struct process *process, const struct conn_identity *identity,
		     bool want_cmdline);

/* Fill in that nothing is known, for a PID-only answer. */
void process_set_unknown(struct process *process);

/* The status alone, for which no more than /proc/PID/stat is read. */
enum process_status process_status(const struct conn_identity *identity);

/*
 * The time now as the records have it: nanoseconds since boot, suspended time included, in
 * the initial time namespace, whichever this process is in.
 */
uint64_t boot_time(void);

/* The word for a status: "live", "exited", "reused" or "unknown". */
const char *process_status_name(enum process_status status);

#endif

/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The process table: what is left to say of a process when it is gone. Map `conn_process`,
 * an array of buckets of four records; a process is written down once, when its first
 * connection is recorded, and once more after an exec.
 *
 * A record is found by the process's number, its start time and its exec count, which a
 * record of the identity table (identity.h) has too. All integers are in host byte order.
 *
 * Room: a new process takes a free record of its bucket; else a user who has two of the
 * four gives up the older of them, and anybody else takes the oldest of all.
 *
 * A reader gets a copy of a bucket by BPF_MAP_LOOKUP_ELEM, which may be half old and half
 * new: a record counts only when its check is the one that process_check() computes of it.
 */
#ifndef CONNPIN_PROCESS_H
#define CONNPIN_PROCESS_H

#include <linux/types.h>

#define PROCESS_WAYS 4	    /* records of a bucket */
#define PROCESS_SHARE 2	    /* of them, from which on a user gives up own ones */
#define CONN_PROCESSES 4096 /* default capacity, setting CONN_PROCESSES */
#define PROCESS_BUCKETS (CONN_PROCESSES / PROCESS_WAYS)

#define PROCESS_PATH_BYTES 256 /* of the executable's path, without a NUL */
#define PROCESS_ARGS_BYTES 256 /* of the arguments */
#define PROCESS_COMM_BYTES 16  /* TASK_COMM_LEN of include/linux/sched.h */
#define PROCESS_NO_ID (~0U)    /* (uid_t)-1 and (unsigned)-1: no login */

/* Bits of flags. */
#define PROCESS_PATH_CUT 1     /* the path is longer: its beginning is missing */
#define PROCESS_PATH_DELETED 2 /* no directory has the file any more */
#define PROCESS_ARGS_CUT 4     /* there are more arguments */
#define PROCESS_ARGS_UNKNOWN 8 /* they could not be read, because they are not in memory */
#define PROCESS_HAS_LOGIN 16   /* the kernel keeps login_uid and session_id */

struct conn_process {
	__u32 check;	   /* process_check(); odd: it is being written */
	__u32 pid;	   /* of the thread group, in the initial PID namespace */
	__u64 start_time;  /* ns since boot, suspended time included */
	__u32 exec_id;	   /* as in struct conn_identity */
	__u32 uid;	   /* real, as the initial user namespace has it */
	__u32 parent_pid;  /* at that time */
	__u32 login_uid;   /* of audit; PROCESS_NO_ID: nobody logged in */
	__u32 session_id;  /* likewise */
	__u16 path_begin;  /* where in bytes[] the path begins; it ends at PROCESS_PATH_BYTES */
	__u16 args_length; /* bytes, each argument ends with a NUL */
	__u32 flags;	   /* PROCESS_* */
	__u32 exe_device;  /* of the executable: its file system's s_dev */
	__u64 exe_inode;   /* and i_ino */
	__u64 time;	   /* when this was written, ns since boot */
	char parent_comm[PROCESS_COMM_BYTES]; /* NUL-ended */
	/* The path from the root of the mount namespace, then the arguments. */
	char bytes[PROCESS_PATH_BYTES + PROCESS_ARGS_BYTES];
};

/* What a writer looks at each time is in front: a line of the cache. */
struct process_bucket {
	__u32 pid[PROCESS_WAYS]; /* of each record; 0: free */
	__u32 exec_id[PROCESS_WAYS];
	__u64 start_time[PROCESS_WAYS];
	struct conn_process way[PROCESS_WAYS];
};

#define PROCESS_WORDS (sizeof(struct conn_process) / sizeof(__u64))

_Static_assert(sizeof(struct conn_process) == 592, "explicit padding, whole words");
_Static_assert(sizeof(struct process_bucket) == 64 + 4 * 592, "explicit padding");

/*
 * A sum of all words but the check itself, each with a factor of its own; even. A mix of
 * two records passes for one with a probability of 2^-31.
 */
static inline __u32 process_check(const struct conn_process *record)
{
	const __u64 *word = (const void *)record;
	__u64 factor = 0x9e3779b97f4a7c15ULL, sum = (word[0] >> 32) * factor;

	for (unsigned i = 1; i < PROCESS_WORDS; i++) {
		factor = factor * 0x5851f42d4c957f2dULL + 2;
		sum += word[i] * factor;
	}
	return (__u32)(sum >> 32) & ~1U;
}

static inline __u32 process_index(__u32 pid, __u32 buckets)
{
	return (__u32)((__u64)(pid * 0x9e3779b1U) * buckets >> 32);
}

#endif

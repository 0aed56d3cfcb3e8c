/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The process table: what can still be said about a process that has exited. Map
 * `conn_process`, an array of buckets of four records. A process is recorded once, with its
 * first connection, and once more after each exec.
 *
 * A record is found by PID, start time and exec count, which a record of the identity
 * tables (identity.h) has as well. All integers are in host byte order.
 *
 * Eviction: a new process takes a free record of its bucket. If there is none, a user who
 * has two of the four loses the older of these; for any other user the oldest record goes.
 *
 * A reader copies a bucket by BPF_MAP_LOOKUP_ELEM. The copy may be half old and half new: a
 * record is valid only when its check is what process_check() computes from it.
 */
#ifndef CONNPIN_PROCESS_H
#define CONNPIN_PROCESS_H

#include <linux/types.h>

#define PROCESS_WAYS 4	    /* records of a bucket */
#define PROCESS_SHARE 2	    /* a user who has that many in a bucket loses own ones */
#define CONN_PROCESSES 4096 /* default capacity, setting CONN_PROCESSES */
#define PROCESS_BUCKETS (CONN_PROCESSES / PROCESS_WAYS)

#define PROCESS_PATH_BYTES 256 /* for the executable's path, which has no NUL */
#define PROCESS_ARGS_BYTES 256 /* for the arguments */
#define PROCESS_COMM_BYTES 16  /* TASK_COMM_LEN of include/linux/sched.h */
#define PROCESS_NO_ID (~0U)    /* (uid_t)-1 and (unsigned)-1: no login */

/* Bits of flags. */
#define PROCESS_PATH_CUT 1     /* the path is longer: its beginning is cut */
#define PROCESS_PATH_DELETED 2 /* no directory has the file any more */
#define PROCESS_ARGS_CUT 4     /* there are more arguments */
#define PROCESS_ARGS_UNKNOWN 8 /* the arguments were not in memory and could not be read */
#define PROCESS_HAS_LOGIN 16   /* the kernel keeps login_uid and session_id */

struct conn_process {
	__u32 check;	   /* process_check() of the record; odd while it is written */
	__u32 pid;	   /* of the thread group, in the initial PID namespace */
	__u64 start_time;  /* ns since boot, suspended time included */
	__u32 exec_id;	   /* as in struct conn_identity */
	__u32 uid;	   /* real user, in the initial user namespace */
	__u32 parent_pid;  /* when this was written */
	__u32 login_uid;   /* from audit; PROCESS_NO_ID: no login */
	__u32 session_id;  /* from audit, likewise */
	__u16 path_begin;  /* where the path begins in bytes[]; it ends at PROCESS_PATH_BYTES */
	__u16 args_length; /* bytes, each argument ends with a NUL */
	__u32 flags;	   /* PROCESS_* */
	__u32 exe_device;  /* of the executable: its file system's s_dev */
	__u64 exe_inode;   /* and i_ino */
	__u64 time;	   /* when this was written, ns since boot */
	char parent_comm[PROCESS_COMM_BYTES]; /* NUL-ended */
	/* The path from the root of the mount namespace, then the arguments. */
	char bytes[PROCESS_PATH_BYTES + PROCESS_ARGS_BYTES];
};

/* What a writer reads each time comes first, in one cache line. */
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
 * A sum of all words but the check itself, each multiplied by its own factor; the result is
 * even. A mix of two records passes as valid with a probability of 2^-31.
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

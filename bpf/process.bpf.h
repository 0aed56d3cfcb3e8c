/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The process table as the programs write it. BPF side only.
 *
 * A hook records `current`, whose memory it can read directly. An iterator records another
 * task, whose memory only a sleepable program may read. When two writers meet on a bucket,
 * each claims a record by making its check odd; one that gets none gives up, because the
 * next connection of the process tries again.
 */
#ifndef CONNPIN_PROCESS_BPF_H
#define CONNPIN_PROCESS_BPF_H

#include "arithmetic.bpf.h"
#include "kernel.h"
#include "process.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROCESS_BUCKETS);
	__type(key, __u32);
	__type(value, struct process_bucket);
} conn_process SEC(".maps");

/* The most directories and mounts in a path; of a longer one the beginning is cut. */
#define PROCESS_PATH_STEPS 128
#define PROCESS_NAME_BYTES 255 /* NAME_MAX */

static __always_inline struct process_bucket *process_bucket(__u32 pid)
{
	__u32 index = process_index(pid, ((struct bpf_map *)&conn_process)->max_entries);

	return bpf_map_lookup_elem(&conn_process, &index);
}

/* The state of the walk from a file up to the root, and what it writes. */
struct path_walk {
	struct dentry *dentry;
	struct mount *mount;
	struct conn_process *record;
	__u32 begin; /* index of the first byte written */
	__u32 is_done;
};

static __always_inline struct mount *mount_of(struct vfsmount *vfsmount)
{
	return (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
}

/* Write a slash and the name of DENTRY in front of the path. False: no room. */
static __always_inline bool prepend_name(struct path_walk *walk, struct dentry *dentry)
{
	__u32 length = BPF_CORE_READ(dentry, d_name.len), begin = walk->begin;

	if (length == 0 || length > PROCESS_NAME_BYTES || begin < length + 1)
		return false;
	begin -= length;
	barrier_var(begin);
	barrier_var(length);
	if (begin == 0 || begin >= PROCESS_PATH_BYTES || length > PROCESS_NAME_BYTES)
		return false;
	/*
	 * The verifier may see it reach beyond the path: there are the arguments, written
	 * later.
	 */
	if (bpf_probe_read_kernel(&walk->record->bytes[begin], length,
				  BPF_CORE_READ(dentry, d_name.name)) < 0)
		return false;
	begin--;
	barrier_var(begin);
	if (begin >= PROCESS_PATH_BYTES)
		return false;
	walk->record->bytes[begin] = '/';
	walk->begin = begin;
	return true;
}

/* One step up: to the parent directory, or from the root of a mount to its mount point. */
static long step_up(__u32 i, struct path_walk *walk)
{
	struct dentry *dentry = walk->dentry, *parent;
	struct mount *mount = walk->mount, *above;

	if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
		above = BPF_CORE_READ(mount, mnt_parent);
		if (above == mount) {
			walk->is_done = 1;
			return 1;
		}
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = above;
		return 0;
	}
	parent = BPF_CORE_READ(dentry, d_parent);
	if (parent == dentry || !parent) {
		/* The file is not below the root of its mount: the path ends here. */
		walk->is_done = 1;
		return 1;
	}
	if (!prepend_name(walk, dentry))
		return 1;
	walk->dentry = parent;
	return 0;
}

/* The path of FILE, as /proc/PID/exe shows it to a reader in the same mount namespace. */
static __always_inline void write_exe_path(struct conn_process *record, struct file *file)
{
	struct path_walk walk = {
		.dentry = BPF_CORE_READ(file, f_path.dentry),
		.mount = mount_of(BPF_CORE_READ(file, f_path.mnt)),
		.record = record,
		.begin = PROCESS_PATH_BYTES,
	};
	struct dentry *first = walk.dentry;

	bpf_loop(PROCESS_PATH_STEPS, step_up, &walk, 0);
	/* A file that never was in a directory, as from memfd_create(2), has only a name. */
	if (walk.is_done && walk.begin == PROCESS_PATH_BYTES)
		prepend_name(&walk, first);
	if (!walk.is_done)
		record->flags |= PROCESS_PATH_CUT;
	/*
	 * As d_unlinked() of include/linux/dcache.h; the root of a file system is never
	 * hashed.
	 */
	if (!BPF_CORE_READ(first, d_hash.pprev))
		record->flags |= PROCESS_PATH_DELETED;
	record->path_begin = walk.begin;
}

/*
 * Who reads the arguments: the process itself, or another task, for which the program must
 * be sleepable.
 */
enum read_by { BY_ITSELF, BY_ANOTHER };

static __always_inline void write_arguments(struct conn_process *record, struct task_struct *task,
					    enum read_by by)
{
	unsigned long begin = task->mm->arg_start, end = task->mm->arg_end;
	void *to = &record->bytes[PROCESS_PATH_BYTES];
	__u64 length = end - begin;
	long rc;

	record->args_length = 0;
	if (end <= begin)
		return;
	if (length > PROCESS_ARGS_BYTES) {
		length = PROCESS_ARGS_BYTES;
		record->flags |= PROCESS_ARGS_CUT;
	}
	barrier_var(length);
	if (length > PROCESS_ARGS_BYTES)
		return;
	rc = by == BY_ITSELF ? bpf_probe_read_user(to, length, (void *)begin)
			     : bpf_copy_from_user_task(to, length, (void *)begin, task, 0);
	if (rc < 0)
		record->flags |= PROCESS_ARGS_UNKNOWN;
	else
		record->args_length = length;
}

/*
 * The record that a process of UID replaces; PROCESS_WAYS when none can be had. A record
 * that is being written (its check is odd) is left alone. (Of a loop that is not unrolled,
 * Linux 6.1 may find that it has a back-edge.)
 */
static __always_inline __u32 choose_process(const struct process_bucket *bucket, __u32 uid)
{
	__u32 own = 0, has_free = 0, own_only, busy, used, other;
	__u64 best = ~0ULL, rank;

#pragma unroll
	for (__u32 i = 0; i < PROCESS_WAYS; i++) {
		busy = bucket->way[i].check & 1;
		used = is_zero(bucket->pid[i]) ^ 1;
		own += (busy ^ 1) & used & is_zero(bucket->way[i].uid ^ uid);
		has_free |= (busy ^ 1) & (used ^ 1);
	}
	own_only = own >= PROCESS_SHARE && !has_free;
#pragma unroll
	for (__u32 i = 0; i < PROCESS_WAYS; i++) {
		busy = bucket->way[i].check & 1;
		used = is_zero(bucket->pid[i]) ^ 1;
		other = is_zero(bucket->way[i].uid ^ uid) ^ 1;
		/* The oldest goes, a free one first. */
		rank = (0 - (__u64)used) & bucket->way[i].time << 2;
		rank |= i | (0 - (__u64)(busy | (own_only & other)));
		best = lower_of(rank, best);
	}
	return best == ~0ULL ? PROCESS_WAYS : best & (PROCESS_WAYS - 1);
}

static __always_inline void write_process(struct conn_process *record, struct task_struct *task,
					  struct task_struct *leader, __u32 uid, enum read_by by)
{
	struct task_struct *parent = leader->real_parent;
	struct mm_struct *mm = task->mm;
	struct file *file;

	record->pid = task->tgid;
	record->start_time = leader->start_boottime;
	record->exec_id = task->self_exec_id;
	record->uid = uid;
	record->parent_pid = BPF_CORE_READ(parent, tgid);
	bpf_probe_read_kernel(record->parent_comm, sizeof(record->parent_comm),
			      &BPF_CORE_READ(parent, group_leader)->comm);
	record->parent_comm[PROCESS_COMM_BYTES - 1] = '\0';
	record->flags = 0;
	record->login_uid = PROCESS_NO_ID;
	record->session_id = PROCESS_NO_ID;
	if (bpf_core_field_exists(task->loginuid)) {
		record->login_uid = leader->loginuid.val;
		record->session_id = leader->sessionid;
		record->flags = PROCESS_HAS_LOGIN;
	}
	record->path_begin = PROCESS_PATH_BYTES;
	record->args_length = 0;
	record->exe_inode = 0;
	record->exe_device = 0;
	if (!mm)
		return;
	write_arguments(record, task, by);
	file = mm->exe_file;
	if (!file)
		return;
	record->exe_inode = file->f_inode->i_ino;
	record->exe_device = file->f_inode->i_sb->s_dev;
	write_exe_path(record, file);
}

/* Record the process of TASK unless it has a record. */
static __always_inline void record_process_of(struct task_struct *task, enum read_by by)
{
	__u32 pid = task->tgid, exec_id = task->self_exec_id, uid = task->cred->uid.val, way, check;
	struct task_struct *leader = task->group_leader;
	__u64 start_time = leader->start_boottime;
	struct process_bucket *bucket = process_bucket(pid);
	struct conn_process *record;

	if (!bucket || !task->mm)
		return;
	for (__u32 i = 0; i < PROCESS_WAYS; i++)
		if (bucket->pid[i] == pid && bucket->exec_id[i] == exec_id &&
		    bucket->start_time[i] == start_time)
			return;
	way = choose_process(bucket, uid);
	barrier_var(way);
	if (way >= PROCESS_WAYS)
		return;
	record = &bucket->way[way];
	check = record->check;
	if (check & 1 || __sync_val_compare_and_swap(&record->check, check, check | 1) != check)
		return;
	bucket->pid[way] = pid;
	bucket->exec_id[way] = exec_id;
	bucket->start_time[way] = start_time;
	write_process(record, task, leader, uid, by);
	record->time = bpf_ktime_get_boot_ns();
	/*
	 * A full barrier, which a plain store is not: the record is complete before its
	 * check.
	 */
	__sync_lock_test_and_set(&record->check, process_check(record));
}

/*
 * Record the current process. Global, so that the verifier checks it once and apart from
 * its callers.
 */
__noinline int record_process(void)
{
	record_process_of(bpf_get_current_task_btf(), BY_ITSELF);
	return 0;
}

#endif

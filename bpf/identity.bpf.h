/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The identity table as the programs write it. BPF side only.
 *
 * Writers of one bucket may meet: tasks on other CPUs, or one that was preempted in
 * the middle. Each record is claimed by making its check odd; who does not get the one
 * that was chosen chooses again. No program waits.
 *
 * Order on processors that reorder: the claim (a compare-and-swap) and the end (an exchange)
 * are full barriers, as BPF's atomic instructions that return a value are, so the writes
 * between the two are seen by the next claimer, and none of them before the claim. Who only
 * reads takes what it read for whole by the check alone. The head of a bucket is read
 * without a barrier: what it led to is looked at again once the record is claimed.
 */
#ifndef CONNPIN_IDENTITY_BPF_H
#define CONNPIN_IDENTITY_BPF_H

#include "identity.h"
#include "kernel.h"
#include "opened.bpf.h"
#ifndef PLAIN
#include "process.bpf.h"
#endif
#include "tracker_metrics.bpf.h"

_Static_assert(OPENED_SRC_OF_MESSAGE == IDENTITY_SRC_OF_MESSAGE, "one flag");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, IDENTITY_ENTRIES);
	__type(key, __u32);
	__type(value, struct identity_bucket);
} conn_identity SEC(".maps");

#ifndef PLAIN
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, IDENTITY_IN_ENTRIES);
	__type(key, __u32);
	__type(value, struct identity_bucket);
} conn_identity_in SEC(".maps");
#endif

/* The bit of an index that says which of the two tables it is of. */
#define INBOUND (1U << 31)

/* The number of buckets: not the header's, which may not be there yet for who sees its seed. */
static __always_inline __u32 bucket_count(__u32 table)
{
	__u32 count = ((struct bpf_map *)&conn_identity)->max_entries;

#ifndef PLAIN
	/* Not one load through either address, which the verifier refuses. */
	barrier_var(count);
	if (table & INBOUND)
		count = ((struct bpf_map *)&conn_identity_in)->max_entries;
#endif
	return count - 1;
}

/* An entry of the table that INDEX says; NULL when there is none. */
static __always_inline void *entry_at(__u32 index)
{
#ifndef PLAIN
	if (index & INBOUND) {
		index &= ~INBOUND;
		return bpf_map_lookup_elem(&conn_identity_in, &index);
	}
#endif
	return bpf_map_lookup_elem(&conn_identity, &index);
}

/* Whoever comes first makes a seed; all have the same one. */
static __always_inline __u64 make_half(__u64 *half)
{
	__u64 seed = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
	__u64 earlier = __sync_val_compare_and_swap(half, 0, seed);

	return earlier ? earlier : seed;
}

/*
 * The header of conn_identity, and its seed; NULL only for the verifier. Who makes a half of
 * the seed writes the rest before, even when somebody else did: the compare-and-swap is the
 * barrier for the own writes, and readers go by the seed.
 */
static __always_inline struct identity_header *get_seed(__u64 seed[2])
{
	struct identity_header *header = entry_at(0);

	if (!header)
		return NULL;
	seed[0] = header->seed[0];
	seed[1] = header->seed[1];
	if (seed[0] && seed[1])
		return header;
	header->version = IDENTITY_VERSION;
	header->buckets = bucket_count(0);
	seed[0] = make_half(&header->seed[0]);
	seed[1] = make_half(&header->seed[1]);
	return header;
}

/*
 * The header of a table. The seed is that of conn_identity for both, so that a reader hashes
 * a question once.
 */
static __always_inline struct identity_header *get_header(__u32 table, __u64 seed[2])
{
	struct identity_header *header = get_seed(seed);

#ifndef PLAIN
	if (header && table & INBOUND) {
		header = entry_at(INBOUND);
		if (header && (header->seed[0] != seed[0] || header->seed[1] != seed[1])) {
			header->version = IDENTITY_VERSION;
			header->buckets = bucket_count(INBOUND);
			/* Exchanges, for the barrier: readers go by the seed. */
			__sync_lock_test_and_set(&header->seed[0], seed[0]);
			__sync_lock_test_and_set(&header->seed[1], seed[1]);
		}
	}
#endif
	return header;
}

static __always_inline bool is_of(const struct conn_identity *record, const struct opened *opened)
{
	const __u64 *a = (const void *)record->dst_ip, *b = (const void *)&opened->key;
	const __u64 *c = (const void *)record->src_ip, *d = (const void *)opened->src_ip;

	/* The flags, which are IDENTITY_SRC_OF_MESSAGE alone, are where the key has 0. */
	return a[0] == b[0] && a[1] == b[1] && record->src_port == opened->key.src_port &&
	       record->dst_port == opened->key.dst_port &&
	       record->protocol == opened->key.protocol && record->flags == opened->flags &&
	       c[0] == d[0] && c[1] == d[1] && record->netns_cookie == opened->netns_cookie;
}

static __always_inline struct identity_bucket *bucket_at(__u32 index)
{
	return entry_at(index);
}

#define NO_WAY IDENTITY_WAYS

/*
 * The record of OPENED in the bucket at INDEX; NO_WAY if there is none. Global, as the next
 * two, so that the verifier looks at it once and goes on with one answer.
 */
__noinline __u32 find_way(__u32 index, const struct opened *opened, __u32 tag)
{
	struct identity_bucket *bucket = bucket_at(index);

	if (!bucket || !opened)
		return NO_WAY;
	for (__u32 i = 0; i < IDENTITY_WAYS; i++)
		if (bucket->tag[i] == tag && is_of(&bucket->way[i], opened))
			return i;
	return NO_WAY;
}

/* 1 when X is 0, else 0; without a branch, which the verifier would follow both ways. */
static __always_inline __u32 is_zero(__u32 x)
{
	return ((__u64)x - 1) >> 63;
}

/* What may become of a record when room is needed; lower ones go first. */
enum { TAKE_FIRST, TAKE_NEXT, TAKE_LAST, TAKE_NEVER };

/* The kinds of records, as a sum: UDP 1, of the same user 2, or free 4; or a reply 5. */
#define PLAN(other_tcp, other_udp, own_tcp, own_udp, is_free)                                \
	((other_tcp) | (other_udp) << 2 | (own_tcp) << 4 | (own_udp) << 6 | (is_free) << 8 | \
	 (is_free) << 10)

/* For a reply. */
#define LEFT_OVER PLAN(TAKE_NEVER, TAKE_NEVER, TAKE_NEVER, TAKE_NEVER, TAKE_FIRST)

/*
 * Of a full bucket or not: a free record goes first where it may be had at all, and then one
 * of a reply, whose time is not 0.
 */
static __always_inline __u32 plan(bool is_udp, bool has_share, bool tcp_is_full)
{
	if (is_udp)
		return has_share ? PLAN(TAKE_NEVER, TAKE_LAST, TAKE_NEVER, TAKE_NEXT, TAKE_FIRST)
				 : PLAN(TAKE_NEVER, TAKE_NEXT, TAKE_NEVER, TAKE_NEXT, TAKE_FIRST);
	if (tcp_is_full)
		return has_share ? PLAN(TAKE_LAST, TAKE_NEVER, TAKE_NEXT, TAKE_NEVER, TAKE_NEVER)
				 : PLAN(TAKE_NEXT, TAKE_NEVER, TAKE_NEXT, TAKE_NEVER, TAKE_NEVER);
	return has_share ? PLAN(TAKE_NEVER, TAKE_NEVER, TAKE_LAST, TAKE_NEXT, TAKE_FIRST)
			 : PLAN(TAKE_NEVER, TAKE_NEXT, TAKE_NEVER, TAKE_NEXT, TAKE_FIRST);
}

#define FOR_REPLY (1U << IDENTITY_WAYS) /* beside the bits of busy records */

/*
 * The record of the bucket at INDEX that a new one of OWNER takes the place of, but none of
 * the bits in BUSY; NO_WAY if there is none that may go. With FOR_REPLY the new one is a
 * reply.
 */
__noinline __u32 choose_way(__u32 index, __u32 owner, __u32 busy)
{
	struct identity_bucket *bucket = bucket_at(index);
	__u32 tcp = 0, own = 0, rules, kind, used, same, reply;
	__u64 best = (__u64)TAKE_NEVER << 62, rank;

	if (!bucket)
		return NO_WAY;
	for (__u32 i = 0; i < IDENTITY_WAYS; i++) {
		used = is_zero(bucket->tag[i]) ^ 1;
		reply = bucket->time[i] >> 63;
		tcp += used & (~bucket->owner[i] & 1);
		own += used & is_zero((bucket->owner[i] ^ owner) >> 1) & ~reply;
	}
	rules = busy & FOR_REPLY ? LEFT_OVER
				 : plan(owner & 1, own >= IDENTITY_SHARE, tcp >= IDENTITY_TCP_WAYS);
	for (__u32 i = 0; i < IDENTITY_WAYS; i++) {
		used = is_zero(bucket->tag[i]) ^ 1;
		same = is_zero((bucket->owner[i] ^ owner) >> 1);
		reply = used & (__u32)(bucket->time[i] >> 63);
		kind = (used ^ reply) * ((bucket->owner[i] & 1) + 2 * same) + 4 * (used ^ 1) +
		       5 * reply;
		/* Of one rank the oldest; a time in ns stays below 2^59 for 18 years. */
		rank = (__u64)(rules >> (2 * kind) & 3) << 62 |
		       (bucket->time[i] << 3 & ~(3ULL << 62)) | i;
		/* Not a branch each, all of which the verifier would combine. */
		rank |= (__u64)(0 - (busy >> i & 1));
		best = rank < best ? rank : best;
	}
	return best >> 62 == TAKE_NEVER ? NO_WAY : best & (IDENTITY_WAYS - 1);
}

/* Claim WAY of the bucket at INDEX. False when someone else is writing it. */
static __always_inline bool claim(struct conn_identity *record)
{
	__u32 check = record->check;

	return !(check & 1) &&
	       __sync_val_compare_and_swap(&record->check, check, check | 1) == check;
}

/* Let go of what was claimed, as it was. An exchange, for the barrier that a store lacks. */
static __always_inline void release(struct conn_identity *record)
{
	__sync_lock_test_and_set(&record->check, record->check & ~1U);
}

/* 6 is as many as it takes when each of the others has the one that was chosen. */
#define CHOICES 6

/*
 * A record of the bucket at INDEX, claimed; WAY if it can be had, which is OPENED's, or
 * NO_WAY. NO_WAY if none can. BUSY is 0, or FOR_REPLY.
 */
__noinline __u32 claim_way(__u32 index, __u32 owner, __u32 way, __u32 busy)
{
	struct identity_bucket *bucket = bucket_at(index);
	__u32 tag;
	__u64 time;

	if (!bucket)
		return NO_WAY;
	for (__u32 i = 0; i < CHOICES; i++) {
		if (i > 0 || way >= NO_WAY)
			way = choose_way(index, owner, busy);
		if (way >= NO_WAY)
			return NO_WAY;
		tag = bucket->tag[way];
		time = bucket->time[way];
		if (claim(&bucket->way[way])) {
			/* Who was preempted here would overwrite what is new by now. */
			if (bucket->tag[way] == tag && bucket->time[way] == time)
				return way;
			release(&bucket->way[way]);
		}
		busy |= 1U << way;
	}
	return NO_WAY;
}

/* The executable of a process, which has none when it is a kernel thread. */
static __always_inline void fill_exe(struct conn_identity *record, struct task_struct *leader)
{
	struct mm_struct *mm = leader->mm;
	struct file *file;
	struct inode *inode;

	record->exe_inode = 0;
	record->exe_device = 0;
	record->exec_id = 0;
	if (!mm)
		return;
	file = mm->exe_file;
	if (!file)
		return;
	inode = file->f_inode;
	record->exe_inode = inode->i_ino;
	record->exe_device = inode->i_sb->s_dev;
	record->exec_id = leader->self_exec_id;
}

/* As two numbers, which costs less than a helper. It may be changing meanwhile. */
static __always_inline void copy_comm(struct conn_identity *record, struct task_struct *leader)
{
	const __u64 *from = (const void *)__builtin_preserve_access_index(&leader->comm);
	__u64 *to = (__u64 *)record->comm;

	to[0] = from[0];
	to[1] = from[1];
	record->comm[IDENTITY_COMM_BYTES - 1] = '\0';
}

/* What a record says of the connection, which has not ended. */
static __always_inline void fill_connection(struct conn_identity *record,
					    const struct opened *opened, __u64 now)
{
	const __u64 *from = (const void *)&opened->key;
	__u64 *to = (__u64 *)record->dst_ip;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
	to[4] = from[4];
	record->flags = opened->flags;
	record->kind = opened->kind;
	record->netns = opened->netns;
	record->netns_cookie = opened->netns_cookie;
	record->time = now;
	record->ended = IDENTITY_OPEN;
	record->duration = 0;
	record->sent = 0;
	record->received = 0;
	record->retransmitted = 0;
	record->round_trip = 0;
}

/* And of its process. */
static __always_inline void fill_process(struct conn_identity *record, const struct opened *opened,
					 struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	record->pid = opened->of_nobody ? 0 : task->tgid;
	record->tid = opened->of_nobody ? 0 : task->pid;
	record->uid = task->cred->uid.val;
	record->gid = task->cred->gid.val;
	record->start_time = leader->start_boottime;
	record->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	/* The thread's: a leader that has ended has no memory any more. */
	fill_exe(record, task);
	copy_comm(record, leader);
}

/* Whether a record says of this process that it has the connection, and cannot be outdated. */
static __always_inline bool is_known(const struct conn_identity *record, struct task_struct *task,
				     const struct identity_header *header)
{
	return record->pid == (__u32)task->tgid &&
	       record->start_time == task->group_leader->start_boottime &&
	       record->exec_id == (__u32)task->self_exec_id && record->time >= header->unseen_last;
}

/* What was in WAY makes room, which is nothing new for a reply. */
static __always_inline void count_eviction(const struct identity_bucket *bucket, __u32 way,
					   __u32 table)
{
	if (!bucket->tag[way] || bucket->time[way] & IDENTITY_REPLY)
		return;
	if (table & INBOUND)
		COUNT_TRACKER(evicted_in);
	else if (bucket->owner[way] & 1)
		COUNT_TRACKER(evicted_udp);
	else
		COUNT_TRACKER(evicted_tcp);
}

/*
 * To be called some time before identify(): puts the hash of the key into OPENED, and asks
 * for what identify() will read. A bucket is hardly ever in the cache, and its page seldom
 * in the TLB: to wait for one line after the other takes longer than all else here. Loads
 * that nothing depends on wait together, while the other table is written.
 */
__noinline int expect_identity(struct opened *opened)
{
	struct identity_bucket *bucket;
	__u64 seed[2];

	if (!opened || !get_seed(seed))
		return 0;
	opened->hash = identity_hash(&opened->key, seed);
	bucket = bucket_at(identity_index(opened->hash, bucket_count(0)));
	if (!bucket)
		return 0;
	*(volatile __u32 *)bucket->tag;
	*(volatile __u64 *)bucket->time;
	for (__u32 i = 0; i < IDENTITY_WAYS; i++)
		*(volatile __u32 *)&bucket->way[i].check;
	return 0;
}

/*
 * Write down that TASK has the connection, or nobody: 1 when that was done. With is_again
 * nothing is written when that is known. Of a connection that is older than the attachment
 * the process that is written down stays, unless it, too, is one that had it open and TASK's
 * is older.
 */
static __always_inline int identify_task(const struct opened *opened, struct task_struct *task)
{
	__u32 table = opened->kind & IDENTITY_IN ? INBOUND : 0;
	struct identity_header *header;
	struct identity_bucket *bucket;
	struct conn_identity *record;
	__u32 index, tag, known, way;
	__u64 seed[2], hash, now;
	__u32 owner;

	header = get_header(table, seed);
	if (!header)
		return 0;
	hash = opened->hash ? opened->hash : identity_hash(&opened->key, seed);
	tag = identity_tag(hash);
	index = identity_index(hash, bucket_count(table)) | table;
	bucket = bucket_at(index);
	if (!bucket)
		return 0;

	known = find_way(index, opened, tag);
	if (known < NO_WAY && opened->is_again && is_known(&bucket->way[known], task, header))
		return 0;
	if (known < NO_WAY && opened->kind & IDENTITY_BEFORE &&
	    (!(bucket->way[known].kind & IDENTITY_BEFORE) ||
	     bucket->way[known].start_time <= task->group_leader->start_boottime))
		return 0;
	if (known >= NO_WAY && opened->is_known)
		return 0;
	owner = identity_owner(task->cred->uid.val, opened->key.protocol, opened->kind);
	way = claim_way(index, owner, known, opened->is_reply ? FOR_REPLY : 0);
	if (way >= NO_WAY) {
		if (opened->is_reply)
			return 0;
		if (table & INBOUND)
			COUNT_TRACKER(dropped_in);
		else
			COUNT_TRACKER(dropped_identity);
		return 0;
	}
	if (way != known)
		count_eviction(bucket, way, table);
	/* Now, not before: who waited for the CPU in between must not look older. */
	now = bpf_ktime_get_boot_ns();
	record = &bucket->way[way];
	bucket->tag[way] = tag;
	bucket->owner[way] = owner;
	bucket->time[way] = opened->is_reply ? now | IDENTITY_REPLY : now;
	/* A connection that is accepted was established before, and may have ended since. */
	if (way == known && (opened->kind & IDENTITY_OWNER) == IDENTITY_ACCEPTER)
		record->kind = opened->kind | (record->kind & IDENTITY_WATCHED);
	else
		fill_connection(record, opened, now);
	fill_process(record, opened, task);
	/* An exchange, for the barrier that a plain store lacks. */
	__sync_lock_test_and_set(&record->check, identity_check(record));
	return 1;
}

/* The same of the process of now. 1 when it was written, 0 when not. */
__noinline int identify(const struct opened *opened)
{
	return opened ? identify_task(opened, bpf_get_current_task_btf()) : 0;
}

/*
 * The same, and the process becomes known as well. (Not from within identify(): together the
 * two take more stack than there is.)
 */
static __always_inline void identify_process(const struct opened *opened)
{
#ifdef PLAIN
	identify(opened);
#else
	if (identify(opened) && !opened->of_nobody)
		record_process();
#endif
}

/*
 * A UDP socket without a port is being connected to KEY's destination in a way that no
 * program sees the end of: what is known of that destination counts no longer.
 */
static __always_inline void identify_unseen(const struct conn_key_v6 *key)
{
	struct identity_header *header;
	__u64 seed[2], now;
	__u32 slot;

	header = get_header(0, seed);
	if (!header)
		return;
	slot = identity_unseen(key, seed);
	now = bpf_ktime_get_boot_ns();
	header->unseen[slot] = now;
	/* An exchange, for the barrier: who sees this one sees the other. */
	__sync_lock_test_and_set(&header->unseen_last, now);
}

#endif

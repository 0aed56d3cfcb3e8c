/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The identity tables as the programs write them. BPF side only.
 *
 * Two writers may meet on one bucket: on different CPUs, or because one was preempted in
 * the middle. A writer claims a record by making its check odd. If it loses the record that
 * it chose, it chooses another one. No program waits.
 *
 * Memory order: the claim is a compare-and-swap and the release an exchange. BPF atomic
 * instructions that return a value are full barriers, so the next claimer sees all writes
 * between the two, and none of these writes happens before the claim. Readers that do not
 * claim rely on the check alone. A writer reads the head of a bucket without a barrier, and
 * therefore looks at its choice again once it has claimed the record.
 */
#ifndef CONNPIN_IDENTITY_BPF_H
#define CONNPIN_IDENTITY_BPF_H

#include "arithmetic.bpf.h"
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

/* This bit of an index says which of the two tables it belongs to. */
#define INBOUND (1U << 31)

/*
 * The number of buckets. It comes from the map, because a program on another CPU may see
 * the seed of the header before the rest of it.
 */
static __always_inline __u32 bucket_count(__u32 table)
{
	__u32 count = ((struct bpf_map *)&conn_identity)->max_entries;

#ifndef PLAIN
	/*
	 * Two separate loads: the verifier refuses one load through either of two map
	 * pointers.
	 */
	barrier_var(count);
	if (table & INBOUND)
		count = ((struct bpf_map *)&conn_identity_in)->max_entries;
#endif
	return count - 1;
}

/* The entry at INDEX, in the table that INBOUND in it says; NULL when there is none. */
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

/* Half of the seed. The first caller makes it, and all others get the same one. */
static __always_inline __u64 make_half(__u64 *half)
{
	__u64 seed = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
	__u64 earlier = __sync_val_compare_and_swap(half, 0, seed);

	return earlier ? earlier : seed;
}

/*
 * The header of conn_identity, and its seed; NULL is possible for the verifier only. A
 * program that makes half of a seed writes the other members first, even if another CPU has
 * done so already: the compare-and-swap then orders its own writes, and readers wait for
 * the seed.
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
 * The header of TABLE. Both tables have the seed of conn_identity, so that a reader hashes
 * a key once.
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
			/*
			 * Full barriers: readers take the header for complete once they see
			 * the seed.
			 */
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

	/*
	 * The only flag is IDENTITY_SRC_OF_MESSAGE; the key has a padding byte of 0 where
	 * it stands.
	 */
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
 * Where a record is, as a number that tcp_sockets has room for: from the lowest bit on the
 * table, the way and the bucket. 0: not known, or in a bucket beyond that room. A record may
 * give way to another one at any time, so whoever goes there looks at what it finds.
 */
#define PLACE_BITS 29
#define PLACE_BUCKET_SHIFT 4

static __always_inline __u32 place_of(__u32 index, __u32 way)
{
	__u32 bucket = index & ~INBOUND;

	return bucket >> (PLACE_BITS - PLACE_BUCKET_SHIFT)
		       ? 0
		       : bucket << PLACE_BUCKET_SHIFT | way << 1 | index >> 31;
}

/* The inverse of place_of(). */
static __always_inline __u32 index_at(__u32 place)
{
	return place >> PLACE_BUCKET_SHIFT | place << 31;
}

static __always_inline __u32 way_at(__u32 place)
{
	return place >> 1 & (IDENTITY_WAYS - 1);
}

/*
 * The record of OPENED in the bucket at INDEX; NO_WAY if there is none. This function and
 * the next ones are global, so that the verifier checks each once, on its own, and its
 * callers continue with one unknown result instead of one state for each path.
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

/* How readily a record makes room for another one; lower values go first. */
enum { TAKE_FIRST, TAKE_NEXT, TAKE_LAST, TAKE_NEVER };

/*
 * A plan has two bits for each kind of record, in this order: TCP or UDP of other users,
 * TCP or UDP of the same user, a free record, a reply.
 */
#define PLAN(other_tcp, other_udp, own_tcp, own_udp, is_free)                                \
	((other_tcp) | (other_udp) << 2 | (own_tcp) << 4 | (own_udp) << 6 | (is_free) << 8 | \
	 (is_free) << 10)

/* The plan for a reply: it takes a free record or that of another reply. */
#define LEFT_OVER PLAN(TAKE_NEVER, TAKE_NEVER, TAKE_NEVER, TAKE_NEVER, TAKE_FIRST)

/*
 * The plan for anything else. A free record goes first where it may be used at all; the
 * record of a reply comes second, because its rank contains a time above 0.
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

#define FOR_REPLY (1U << IDENTITY_WAYS) /* above the bits of the busy records */

/*
 * Choose the record in the bucket at INDEX that a new one of OWNER replaces; NO_WAY when
 * none may go. Records whose bit is set in BUSY are left alone. With FOR_REPLY set, the new
 * record is a reply.
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
		/*
		 * Within a rank the oldest goes. A boot time in ns stays below 2^59 for 18
		 * years.
		 */
		rank = (__u64)(rules >> (2 * kind) & 3) << 62 |
		       (bucket->time[i] << 3 & ~(3ULL << 62)) | i;
		rank |= 0 - (__u64)(busy >> i & 1);
		best = lower_of(rank, best);
	}
	return best >> 62 == TAKE_NEVER ? NO_WAY : best & (IDENTITY_WAYS - 1);
}

/* Claim RECORD. False when another program is writing it. */
static __always_inline bool claim(struct conn_identity *record)
{
	__u32 check = record->check;

	return !(check & 1) &&
	       __sync_val_compare_and_swap(&record->check, check, check | 1) == check;
}

/* Release a claimed record unchanged. The exchange is a full barrier, a store is not. */
static __always_inline void release(struct conn_identity *record)
{
	__sync_lock_test_and_set(&record->check, record->check & ~1U);
}

/* How often a program tries to claim one certain record. Its writer holds it for 0.1 us. */
#define CLAIM_TRIES 8

/* When each other writer holds one of the records chosen, 6 tries are enough. */
#define CHOICES 6

/*
 * Claim a record in the bucket at INDEX: WAY, the record that the connection has already,
 * if it can be claimed, else one that may go. NO_WAY when there is none. BUSY is 0 or
 * FOR_REPLY.
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
			/*
			 * If this program was preempted since it chose, it must not
			 * overwrite a newer record.
			 */
			if (bucket->tag[way] == tag && bucket->time[way] == time)
				return way;
			release(&bucket->way[way]);
		}
		busy |= 1U << way;
	}
	return NO_WAY;
}

/*
 * The executable of TASK; a kernel thread has none. TASK is not the leader, which has no mm
 * any more once it has exited.
 */
static __always_inline void fill_exe(struct conn_identity *record, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
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
	record->exec_id = task->self_exec_id;
}

/* Two loads cost less than a helper call. The name may change meanwhile. */
static __always_inline void copy_comm(struct conn_identity *record, struct task_struct *leader)
{
	const __u64 *from = (const void *)__builtin_preserve_access_index(&leader->comm);
	__u64 *to = (__u64 *)record->comm;

	to[0] = from[0];
	to[1] = from[1];
	record->comm[IDENTITY_COMM_BYTES - 1] = '\0';
}

/* Fill in the connection, which has not ended. */
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

/* What is read of a task more than once. */
struct task_parts {
	struct task_struct *leader;
	const struct cred *cred;
	__u64 start_time;
};

/*
 * Call it before any branch: for each pointer that is loaded from a trusted one the verifier
 * searches all of the kernel's BTF for a name (type_is_trusted()), and it does so on each of
 * the ways that lead to the load.
 */
static __always_inline void take_parts(struct task_parts *parts, struct task_struct *task)
{
	parts->leader = task->group_leader;
	parts->start_time = parts->leader->start_boottime;
	parts->cred = task->cred;
}

/* Fill in its process. */
static __always_inline void fill_process(struct conn_identity *record, bool of_nobody,
					 struct task_struct *task, const struct task_parts *parts)
{
	__u32 mask = (__u32)of_nobody - 1;

	record->pid = task->tgid & mask;
	record->tid = task->pid & mask;
	record->uid = parts->cred->uid.val;
	record->gid = parts->cred->gid.val;
	record->start_time = parts->start_time;
	record->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	copy_comm(record, parts->leader);
	fill_exe(record, task);
}

/* Whether RECORD names this process as the owner and can't be outdated. */
static __always_inline bool is_known(const struct conn_identity *record, struct task_struct *task,
				     __u64 start_time, const struct identity_header *header)
{
	return record->pid == (__u32)task->tgid && record->start_time == start_time &&
	       record->exec_id == (__u32)task->self_exec_id && record->time >= header->unseen_last;
}

/* Count the record that WAY held as evicted. A reply that gives way is no loss. */
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
 * Puts the hash of the key into OPENED and loads from each cache line that identify() will
 * read. It is called some time before that. A bucket is hardly ever in the cache, and its
 * page seldom in the TLB; waiting for one line after another takes longer than all the
 * rest. Nothing depends on these loads, so the processor does them at once while the
 * program writes the other table.
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
 * Record TASK, or nobody, as the owner of the connection; 1 when it was written. With
 * is_again, nothing is written if that is known already. For a connection older than the
 * attachment, an owner that is recorded already stays, unless that one too was merely found
 * to have it open and TASK's process is older.
 */
static __always_inline int identify_task(struct opened *opened, struct task_struct *task)
{
	__u32 table = opened->kind & IDENTITY_IN ? INBOUND : 0;
	struct identity_header *header;
	struct identity_bucket *bucket;
	struct conn_identity *record;
	__u32 index, tag, known, way;
	__u64 seed[2], hash, now;
	struct task_parts parts;
	__u32 owner;

	take_parts(&parts, task);
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
	/* The mask is for the verifier: clang may check one copy of KNOWN and use another. */
	record = &bucket->way[known & (IDENTITY_WAYS - 1)];
	if (known < NO_WAY && opened->is_again &&
	    is_known(record, task, parts.start_time, header)) {
		opened->place = place_of(index, known & (IDENTITY_WAYS - 1));
		return 0;
	}
	if (known < NO_WAY && opened->kind & IDENTITY_BEFORE &&
	    (!(record->kind & IDENTITY_BEFORE) || record->start_time <= parts.start_time))
		return 0;
	if (known >= NO_WAY && opened->is_known)
		return 0;
	owner = identity_owner(parts.cred->uid.val, opened->key.protocol, opened->kind);
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
	/* Taken now: a program that waited for the CPU in between must not look older. */
	now = bpf_ktime_get_boot_ns();
	record = &bucket->way[way];
	bucket->tag[way] = tag;
	bucket->owner[way] = owner;
	bucket->time[way] = opened->is_reply ? now | IDENTITY_REPLY : now;
	/*
	 * An accepted connection has a record since it was established, and may have ended
	 * already.
	 */
	if (way == known && (opened->kind & IDENTITY_OWNER) == IDENTITY_ACCEPTER)
		record->kind = opened->kind | (record->kind & IDENTITY_WATCHED);
	else
		fill_connection(record, opened, now);
	fill_process(record, opened->of_nobody, task, &parts);
	/*
	 * A full barrier, which a plain store is not: the record is complete before its
	 * check.
	 */
	__sync_lock_test_and_set(&record->check, identity_check(record));
	opened->place = place_of(index, way);
	opened->time = now;
	return 1;
}

/* identify_task() for the current process; 1 when it was written. */
__noinline int identify(struct opened *opened)
{
	return opened ? identify_task(opened, bpf_get_current_task_btf()) : 0;
}

/*
 * identify(), and the process table gets the process too. The call is not inside
 * identify(), because the two together take more stack than BPF has.
 */
static __always_inline void identify_process(struct opened *opened)
{
#ifdef PLAIN
	identify(opened);
#else
	if (identify(opened) && !opened->of_nobody)
		record_process();
#endif
}

#ifndef PLAIN
/*
 * Record the current process as the one that accepted the connection whose record was
 * written at PLACE and TIME; 0 when another record is there by now, or when it can't be
 * claimed.
 */
__noinline int identify_accepter(__u32 place, __u64 time)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct identity_bucket *bucket;
	struct conn_identity *record;
	struct task_parts parts;
	__u32 way = way_at(place);

	take_parts(&parts, task);
	bucket = bucket_at(index_at(place));
	if (!bucket)
		return 0;
	record = &bucket->way[way];
	for (__u32 i = 0; !claim(record); i++)
		if (i >= CLAIM_TRIES)
			return 0;
	/* It may be of another connection by now. */
	if (record->time != time || !(record->kind & IDENTITY_IN)) {
		release(record);
		return 0;
	}
	bucket->owner[way] =
		identity_owner(parts.cred->uid.val, IPPROTO_TCP, IDENTITY_ACCEPTER | IDENTITY_IN);
	bucket->time[way] = bpf_ktime_get_boot_ns();
	record->kind = IDENTITY_ACCEPTER | IDENTITY_IN | (record->kind & IDENTITY_WATCHED);
	fill_process(record, false, task, &parts);
	/*
	 * A full barrier, which a plain store is not: the record is complete before its
	 * check.
	 */
	__sync_lock_test_and_set(&record->check, identity_check(record));
	return 1;
}
#endif

/*
 * A UDP socket without a port is being connected to the destination of KEY, and no program
 * will see the end of it. From now on, earlier records of that destination are not certain.
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
	/* A full barrier: a reader that sees this time sees the other one, too. */
	__sync_lock_test_and_set(&header->unseen_last, now);
}

#endif

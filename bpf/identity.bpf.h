/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The identity table as the programs write it. BPF side only.
 *
 * Writers of one bucket may meet: tasks on other CPUs, or one that was preempted in
 * the middle. Each record is claimed by making its check odd; who does not get one
 * takes the next. No program waits.
 */
#ifndef CONNPIN_IDENTITY_BPF_H
#define CONNPIN_IDENTITY_BPF_H

#include "identity.h"
#include "kernel.h"
#include "tracker_metrics.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, IDENTITY_ENTRIES);
	__type(key, __u32);
	__type(value, struct identity_bucket);
} conn_identity SEC(".maps");

/* The first to record anything fills the header in. */
static __always_inline __u64 make_header(struct identity_header *header)
{
	__u64 seed = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
	__u64 earlier;

	header->version = IDENTITY_VERSION;
	header->buckets = ((struct bpf_map *)&conn_identity)->max_entries - 1;
	earlier = __sync_val_compare_and_swap(&header->seed, 0, seed);
	return earlier ? earlier : seed;
}

static __always_inline bool is_of(const struct conn_identity *record, const struct conn_key_v6 *key,
				  __u32 netns)
{
	const __u64 *a = (const void *)&record->key, *b = (const void *)key;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && record->netns == netns;
}

static __always_inline struct identity_bucket *bucket_at(__u32 index)
{
	return bpf_map_lookup_elem(&conn_identity, &index);
}

#define NO_WAY IDENTITY_WAYS

/*
 * The record of KEY in the bucket at INDEX; NO_WAY if there is none. Global, as the next
 * two, so that the verifier looks at it once and goes on with one answer.
 */
__noinline __u32 find_way(__u32 index, const struct conn_key_v6 *key, __u32 netns, __u32 tag)
{
	struct identity_bucket *bucket = bucket_at(index);

	if (!bucket || !key)
		return NO_WAY;
	for (__u32 i = 0; i < IDENTITY_WAYS; i++)
		if (bucket->tag[i] == tag && is_of(&bucket->way[i], key, netns))
			return i;
	return NO_WAY;
}

/* A free record of the bucket at INDEX, else the one that was written longest before NOW. */
__noinline __u32 oldest_way(__u32 index, __u32 now)
{
	struct identity_bucket *bucket = bucket_at(index);
	__u32 oldest = 0, oldest_age = 0, age;

	if (!bucket)
		return 0;
	for (__u32 i = 0; i < IDENTITY_WAYS; i++) {
		/* Another CPU may have written one a little after NOW. */
		age = bucket->tag[i] ? now + IDENTITY_STAMP_SLACK - bucket->stamp[i] : ~0U;
		if (age > oldest_age) {
			oldest = i;
			oldest_age = age;
		}
	}
	return oldest;
}

/* Claim a record of the bucket at INDEX, WAY if it can be had; NO_WAY if none can. */
__noinline __u32 claim_way(__u32 index, __u32 way)
{
	struct identity_bucket *bucket = bucket_at(index);
	__u32 check, *place;

	if (!bucket)
		return NO_WAY;
	for (__u32 i = 0; i < IDENTITY_WAYS; i++, way++) {
		place = &bucket->way[way & (IDENTITY_WAYS - 1)].check;
		check = *place;
		if (!(check & 1) && __sync_val_compare_and_swap(place, check, check | 1) == check)
			return way & (IDENTITY_WAYS - 1);
	}
	return NO_WAY;
}

static __always_inline void fill(struct conn_identity *record, const struct conn_key_v6 *key,
				 __u32 netns, const struct task_struct *task, __u64 now)
{
	struct task_struct *leader = task->group_leader;

	record->key = *key;
	record->netns = netns;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->uid = task->cred->uid.val;
	record->gid = task->cred->gid.val;
	record->start_time = leader->start_boottime;
	record->time = now;
	record->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), leader->comm);
	record->comm[IDENTITY_COMM_BYTES - 1] = '\0';
}

/*
 * Write down that the process of now has the connection KEY. NEW: even when that is
 * known, because it is another connection, or another process had it in between.
 */
__noinline int identify(const struct conn_key_v6 *key, __u32 netns, bool new)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct identity_header *header;
	struct identity_bucket *bucket;
	struct conn_identity *record;
	__u32 index = 0, tag, way, stamp;
	__u64 seed, hash, now;

	if (!key)
		return 0;
	header = bpf_map_lookup_elem(&conn_identity, &index);
	if (!header)
		return 0;
	seed = header->seed;
	if (!seed)
		seed = make_header(header);
	hash = identity_hash(key, seed);
	tag = identity_tag(hash);
	index = identity_index(hash, header->buckets);
	bucket = bucket_at(index);
	if (!bucket)
		return 0;

	way = find_way(index, key, netns, tag);
	if (way < NO_WAY && !new) {
		record = &bucket->way[way];
		if (record->pid == (__u32)task->tgid &&
		    record->start_time == task->group_leader->start_boottime)
			return 0;
	}
	/* The clock costs as much as the rest of the way here. */
	now = bpf_ktime_get_boot_ns();
	stamp = now >> IDENTITY_STAMP_SHIFT;
	if (way >= NO_WAY)
		way = oldest_way(index, stamp);
	way = claim_way(index, way);
	if (way >= NO_WAY) {
		COUNT_TRACKER(dropped_identity);
		return 0;
	}
	record = &bucket->way[way];
	bucket->tag[way] = tag;
	bucket->stamp[way] = stamp;
	fill(record, key, netns, task, now);
	/* An exchange, for the barrier that a plain store lacks. */
	__sync_lock_test_and_set(&record->check, identity_check(record));
	return 0;
}

#endif

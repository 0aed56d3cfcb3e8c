/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frees the slots of cgroups that are gone, and moves their counts to another slot. BPF side
 * only; a part of tcp_live, because a program that runs for each connection has no time for
 * it.
 */
#ifndef CONNPIN_TCP_CGROUPS_TIDY_BPF_H
#define CONNPIN_TCP_CGROUPS_TIDY_BPF_H

#include "tcp_cgroups.bpf.h"
#include "tcp_metrics.bpf.h"
#include "tcp_settings.bpf.h"

struct merging {
	__u32 slot; /* the slot whose counts move */
	__u32 to;
};

/* Move all counts of a slot, on one CPU, to another slot. */
static __always_inline void merge_slot(struct tcp_cgroup_metrics *m, __u32 slot, __u32 other)
{
	struct tcp_cgroup_counters *from, *to;

	if (slot > TCP_CGROUPS_MAX || other > TCP_CGROUPS_MAX)
		return;
	from = &m->places[slot];
	to = &m->places[other];
	/* Added there before they are cleared here, so that no reader misses a count. */
	add(&to->active, from->active);
	add(&to->passive, from->passive);
	add(&to->failed, from->failed);
	add(&to->sent, from->sent);
	add(&to->received, from->received);
	from->active = from->passive = from->failed = from->sent = from->received = 0;
}

static long merge_cpu(__u32 cpu, struct merging *merging)
{
	struct tcp_cgroup_metrics *m;
	__u32 key = 0;

	m = bpf_map_lookup_percpu_elem(&tcp_cgroup_metrics, &key, cpu);
	if (!m)
		return 1;
	merge_slot(m, merging->slot, merging->to);
	return 0;
}

/*
 * Equal hashes are not enough: a user who may create cgroups can find a name with the hash
 * of another.
 */
static __always_inline bool have_same_path(const struct tcp_cgroup *a, const struct tcp_cgroup *b)
{
	const __u32 *of_a = (const void *)a->path, *of_b = (const void *)b->path;

	for (__u32 i = 0; i < PATH_WORDS; i++)
		if (of_a[i] != of_b[i])
			return false;
	return true;
}

/* Whether the cgroup at INDEX has the path of the one that is leaving. */
static long is_namesake(__u32 index, struct merging *merging)
{
	struct tcp_cgroups *all = cgroups();
	__u32 slot = index + 1, from = merging->slot;
	struct tcp_cgroup *a, *b;

	if (!all || slot > TCP_CGROUPS_MAX || from > TCP_CGROUPS_MAX)
		return 1;
	a = &all->places[slot];
	b = &all->places[from];
	if (slot == from || a->state != TCP_CGROUP_USED || !a->path_hash ||
	    a->path_hash != b->path_hash || a->truncated || b->truncated || !have_same_path(a, b))
		return 0;
	merging->to = slot;
	return 1;
}

/* The memory at ADDRESS may be anything by now; then the id differs or it is not online. */
static __always_inline bool is_online(__u64 address, __u64 id)
{
	struct cgroup *cgroup = (void *)address;

	return BPF_CORE_READ(cgroup, kn, id) == id &&
	       BPF_CORE_READ(cgroup, self.flags) & CSS_ONLINE;
}

static __always_inline bool is_there(__u64 id)
{
	struct tcp_cgroup_place *found = bpf_map_lookup_elem(&tcp_cgroup_index, &id);

	return found && is_online(found->cgroup, id);
}

static __always_inline void return_share(__u64 subtree)
{
	struct tcp_cgroup_share *share;

	share = subtree ? bpf_map_lookup_elem(&tcp_cgroup_shares, &subtree) : NULL;
	if (share)
		__sync_fetch_and_add(&share->places, -1);
}

/* A subtree that has no slot and is gone, so that it can't get one meanwhile. */
static long find_left_share(struct bpf_map *map, __u64 *subtree, struct tcp_cgroup_share *share,
			    __u64 *left)
{
	if (share->places || is_online(share->cgroup, *subtree))
		return 0;
	*left = *subtree;
	return 1;
}

struct tidying {
	__u64 now;
	__u64 linger;
};

#define CPUS_MAX 8192
#define GRACE_NS 1000000000ull /* a program that had found the slot has counted by then */

/*
 * A cgroup that is gone keeps its slot for a while, so that its last counts can be read.
 * Then it is taken out of the index, and a later reading moves its counts: to the cgroup
 * that has its path now, as after a service restart, or else to slot 0.
 */
static long tidy_slot(__u32 index, struct tidying *tidying)
{
	struct tcp_cgroups *all = cgroups();
	struct merging merging = {};
	struct tcp_cgroup *cgroup;
	__u32 slot = index + 1;
	__u64 id;

	if (!all || slot > TCP_CGROUPS_MAX)
		return 1;
	cgroup = &all->places[slot];
	id = cgroup->id;
	if (cgroup->state == TCP_CGROUP_USED) {
		if (is_there(id)) {
			cgroup->gone_ns = 0;
		} else if (!cgroup->gone_ns) {
			cgroup->gone_ns = tidying->now;
		} else if (tidying->now - cgroup->gone_ns > tidying->linger) {
			bpf_map_delete_elem(&tcp_cgroup_index, &id);
			cgroup->id = 0;
			cgroup->gone_ns = tidying->now;
			cgroup->state = TCP_CGROUP_LEAVING;
		}
	} else if (cgroup->state == TCP_CGROUP_LEAVING &&
		   tidying->now - cgroup->gone_ns > GRACE_NS) {
		merging.slot = slot;
		bpf_loop(TCP_CGROUPS_MAX, is_namesake, &merging, 0);
		bpf_loop(CPUS_MAX, merge_cpu, &merging, 0);
		__sync_fetch_and_add(&all->used, -1);
		return_share(cgroup->subtree);
		__sync_lock_test_and_set(&cgroup->state, TCP_CGROUP_FREE);
	}
	return 0;
}

static __always_inline void tidy_cgroups(void)
{
	struct tidying tidying = { .now = bpf_ktime_get_ns() };
	struct tcp_settings *settings;
	__u64 left = 0;
	__u32 key = 0;

	settings = bpf_map_lookup_elem(&tcp_settings, &key);
	if (!settings)
		return;
	tidying.linger = settings->cgroup_linger * 1000000000ull;
	bpf_loop(TCP_CGROUPS_MAX, tidy_slot, &tidying, 0);
	/*
	 * One for each reading is enough: each had a slot, and a slot lasts longer than a
	 * reading.
	 */
	bpf_for_each_map_elem(&tcp_cgroup_shares, find_left_share, &left, 0);
	if (left)
		bpf_map_delete_elem(&tcp_cgroup_shares, &left);
}

#endif

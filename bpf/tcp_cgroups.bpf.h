/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The counters by cgroup: the slot of a socket's cgroup in them. BPF side only.
 *
 * It is the cgroup of the socket, which an accepted connection has from its listener;
 * `current` is no use, as in softirq it is any task. A cgroup gets a slot, with its path,
 * when its first connection is counted.
 */
#ifndef CONNPIN_TCP_CGROUPS_BPF_H
#define CONNPIN_TCP_CGROUPS_BPF_H

#include "kernel.h"
#include "tcp_monitor.h"
#include "tcp_settings.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCP_CGROUPS_ENTRIES);
	__type(key, __u32);
	__type(value, struct tcp_cgroups);
} tcp_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TCP_CGROUPS_ENTRIES);
	__type(key, __u32);
	__type(value, struct tcp_cgroup_metrics);
} tcp_cgroup_metrics SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCP_CGROUPS_MAX);
	__type(key, __u64);
	__type(value, struct tcp_cgroup_place);
} tcp_cgroup_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCP_CGROUPS_MAX);
	__type(key, __u64);
	__type(value, struct tcp_cgroup_share);
} tcp_cgroup_shares SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TCP_PATH_ROOM_ENTRIES);
	__type(key, __u32);
	__type(value, struct tcp_path_room);
} tcp_path_room SEC(".maps");

static __always_inline struct tcp_cgroups *cgroups(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&tcp_cgroups, &key);
}

/* The counters of a slot; NULL when there is no such slot. */
static __always_inline struct tcp_cgroup_counters *counters_of(__u32 slot)
{
	struct tcp_cgroup_metrics *m;
	__u32 key = 0;

	m = bpf_map_lookup_elem(&tcp_cgroup_metrics, &key);
	/* Keeps clang from checking one register and using another. */
	barrier_var(slot);
	if (!m || slot > TCP_CGROUPS_MAX)
		return NULL;
	return &m->places[slot];
}

/* Before 6.15 the member has another name. */
struct kernfs_node___before_6_15 {
	struct kernfs_node *parent;
} __attribute__((preserve_access_index));

static __always_inline struct kernfs_node *parent_of(struct kernfs_node *kn)
{
	struct kernfs_node___before_6_15 *old = (void *)kn;

	if (bpf_core_field_exists(old->parent))
		return BPF_CORE_READ(old, parent);
	return BPF_CORE_READ(kn, __parent);
}

struct writing {
	struct kernfs_node *kn;
	__u32 depth;
	__u32 used;
};

static __always_inline struct tcp_path_room *path_room(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&tcp_path_room, &key);
}

/* Walk up to the root, which has no parent and no name, and note each node. */
static long climb(__u32 level, struct writing *writing)
{
	struct tcp_path_room *room = path_room();
	struct kernfs_node *parent = parent_of(writing->kn);

	if (!room || !parent || level >= TCP_CGROUP_DEPTH)
		return 1;
	room->chain[level] = (__u64)writing->kn;
	writing->kn = parent;
	writing->depth = level + 1;
	return 0;
}

/* Walk down again and append a slash and the name of each level. */
static long descend(__u32 step, struct writing *writing)
{
	struct tcp_path_room *room = path_room();
	__u32 level = writing->depth - 1 - step, used = writing->used;
	struct kernfs_node *kn;
	long n;

	barrier_var(level);
	barrier_var(used);
	if (!room || level >= TCP_CGROUP_DEPTH || used > 254)
		return 1;
	kn = (void *)room->chain[level];
	room->bytes[used] = '/';
	n = bpf_probe_read_kernel_str(&room->bytes[used + 1], 256, BPF_CORE_READ(kn, name));
	/* n includes the NUL at the end, which the next slash overwrites. */
	if (n > 0)
		writing->used = used + n;
	return 0;
}

#define PATH_WORDS (TCP_CGROUP_PATH / sizeof(__u32))

/* FNV-1a over the words of the path, which is padded with zeroes. */
static __always_inline __u32 hash_of_path(const struct tcp_cgroup *cgroup)
{
	const __u32 *words = (const void *)cgroup->path;
	__u32 hash = 2166136261;

	for (__u32 i = 0; i < PATH_WORDS; i++)
		hash = (hash ^ words[i]) * 16777619;
	return hash | 1;
}

/*
 * Write the path of KN into TO. False when this program has interrupted another one on this
 * CPU that is using the scratch buffer.
 */
static __always_inline bool write_path(struct tcp_cgroup *to, struct kernfs_node *kn)
{
	struct writing writing = { .kn = kn };
	struct tcp_path_room *room = path_room();

	if (!room || __sync_val_compare_and_swap(&room->busy, 0, 1))
		return false;
	room->bytes[0] = '/';
	room->bytes[1] = 0;
	bpf_loop(TCP_CGROUP_DEPTH, climb, &writing, 0);
	bpf_loop(TCP_CGROUP_DEPTH, descend, &writing, 0);
	to->truncated = writing.used >= TCP_CGROUP_PATH || writing.depth == TCP_CGROUP_DEPTH;
	__builtin_memset(to->path, 0, TCP_CGROUP_PATH);
	bpf_probe_read_kernel_str(to->path, TCP_CGROUP_PATH, room->bytes);
	to->path_hash = hash_of_path(to);
	__sync_lock_test_and_set(&room->busy, 0);
	return true;
}

/* --- shares ---------------------------------------------------------------- */

struct ascent {
	struct kernfs_node *kn;
	struct kernfs_node *delegated; /* the uppermost one so far whose owner is not root */
	__u32 has_ended;
};

static long ascend(__u32 level, struct ascent *ascent)
{
	struct kernfs_node *kn = ascent->kn, *parent = parent_of(kn);
	struct kernfs_iattrs *attributes;

	/* Whoever owns the root of the hierarchy has all of it. */
	if (!parent) {
		ascent->has_ended = 1;
		return 1;
	}
	attributes = BPF_CORE_READ(kn, iattr);
	if (attributes && BPF_CORE_READ(attributes, ia_uid.val))
		ascent->delegated = kn;
	ascent->kn = parent;
	return 0;
}

/*
 * Whether the cgroup may have one of the FREE slots. If it is in a delegated subtree,
 * SUBTREE is set to that one's id and the new slot is added to *SHARE; otherwise *SHARE is
 * NULL.
 *
 * ZERO is 0, which the verifier must not know. Before Linux 6.7 it follows one call of a
 * callback alone: of two members that different calls set it would take one for 0 for ever,
 * and drop the branch for any other value.
 */
static __always_inline bool take_share(struct cgroup *cgroup, __u64 free,
				       struct tcp_cgroup_share **share, __u64 *subtree, __u64 zero)
{
	struct ascent ascent = { .kn = BPF_CORE_READ(cgroup, kn),
				 .delegated = (void *)zero,
				 .has_ended = zero };
	struct tcp_cgroup_share new = {};
	struct kernfs_node *delegated;

	*share = NULL;
	bpf_loop(TCP_CGROUP_LEVELS, ascend, &ascent, 0);
	*subtree = 0;
	if (!ascent.has_ended)
		return false;
	delegated = ascent.delegated;
	if (!delegated)
		return true;
	*subtree = BPF_CORE_READ(delegated, id);
	*share = bpf_map_lookup_elem(&tcp_cgroup_shares, subtree);
	if (!*share) {
		new.cgroup = (__u64)BPF_CORE_READ(delegated, priv);
		bpf_map_update_elem(&tcp_cgroup_shares, subtree, &new, BPF_NOEXIST);
		*share = bpf_map_lookup_elem(&tcp_cgroup_shares, subtree);
	}
	if (!*share)
		return false;
	if (__sync_fetch_and_add(&(*share)->places, 1) < free)
		return true;
	__sync_fetch_and_add(&(*share)->places, -1);
	return false;
}

/* --- slots ----------------------------------------------------------------- */

struct search {
	struct tcp_cgroups *all;
	__u32 slot;
};

static long claim_slot(__u32 index, struct search *search)
{
	__u32 slot = index + 1;
	struct tcp_cgroups *all = cgroups();

	if (!all || slot > TCP_CGROUPS_MAX)
		return 1;
	if (__sync_val_compare_and_swap(&all->places[slot].state, TCP_CGROUP_FREE,
					TCP_CGROUP_TAKEN) != TCP_CGROUP_FREE)
		return 0;
	search->slot = slot;
	return 1;
}

/* Give the cgroup one of the slots that the settings allow; 0 when none is free. */
static __always_inline __u32 give_slot(struct tcp_cgroups *all, __u64 series, struct cgroup *cgroup,
				       __u64 id, __u64 subtree)
{
	struct tcp_cgroup_place found = { .cgroup = (__u64)cgroup };
	struct search search = {};
	struct tcp_cgroup *entry;

	bpf_loop(series, claim_slot, &search, 0);
	if (!search.slot || search.slot > TCP_CGROUPS_MAX)
		return 0;
	entry = &all->places[search.slot];
	entry->id = id;
	entry->gone_ns = 0;
	entry->subtree = subtree;
	found.place = search.slot;
	/*
	 * The update fails when another CPU was first. Then this connection counts in slot
	 * 0.
	 */
	if (!write_path(entry, BPF_CORE_READ(cgroup, kn)) ||
	    bpf_map_update_elem(&tcp_cgroup_index, &id, &found, BPF_NOEXIST)) {
		entry->id = 0;
		__sync_lock_test_and_set(&entry->state, TCP_CGROUP_FREE);
		return 0;
	}
	__sync_fetch_and_add(&all->used, 1);
	__sync_lock_test_and_set(&entry->state, TCP_CGROUP_USED);
	return search.slot;
}

/*
 * Give the cgroup at ADDRESS a slot; 0 when there is none for it, or when it is being
 * removed. Global, so that the verifier checks it once and not from each state of its
 * callers.
 */
__noinline __u32 add_cgroup(__u64 address, __u64 id)
{
	struct cgroup *cgroup = (void *)address;
	struct tcp_cgroups *all = cgroups();
	struct tcp_cgroup_share *share;
	struct tcp_settings *settings;
	__u64 series, used, subtree;
	__u32 key = 0, slot;

	settings = bpf_map_lookup_elem(&tcp_settings, &key);
	if (!all || !settings)
		return 0;
	series = settings->cgroup_series;
	used = all->used;
	if (used >= series || !(BPF_CORE_READ(cgroup, self.flags) & CSS_ONLINE))
		return 0;
	/* Slot 0 has no id. */
	if (!take_share(cgroup, series - used, &share, &subtree, all->places[0].id))
		return 0;
	slot = give_slot(all, series, cgroup, id, subtree);
	if (!slot && share)
		__sync_fetch_and_add(&share->places, -1);
	return slot;
}

/* Find the slot of a cgroup in the index, or add the cgroup, and note the slot as a hint. */
__noinline __u32 find_cgroup(__u64 address, __u64 id)
{
	struct tcp_cgroup_place *found = bpf_map_lookup_elem(&tcp_cgroup_index, &id);
	struct tcp_cgroups *all = cgroups();
	__u32 slot = found ? found->place : add_cgroup(address, id);

	if (all && slot)
		all->hints[id & (TCP_CGROUP_HINTS - 1)] = slot;
	return slot;
}

/* The slot of SK's cgroup. */
static __always_inline __u32 slot_of_cgroup(struct sock *sk)
{
	struct cgroup *cgroup = sk->sk_cgrp_data.cgroup;
	struct tcp_cgroups *all = cgroups();
	__u32 hint, slot;
	__u64 id;

	if (!cgroup || !all)
		return 0;
	id = cgroup->kn->id;
	/* Slot 0 has no id, and no cgroup has the id 0. */
	hint = all->hints[id & (TCP_CGROUP_HINTS - 1)];
	/* A copy keeps clang from checking one register and using another. */
	slot = hint;
	barrier_var(slot);
	if (slot <= TCP_CGROUPS_MAX && all->places[slot].id == id)
		return hint;
	return find_cgroup((__u64)BPF_CORE_READ(sk, sk_cgrp_data.cgroup), id);
}

#endif

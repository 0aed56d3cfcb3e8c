/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Accepted connections and listening sockets. BPF side only; a part of handle_sockops
 * (port_tracker.bpf.c).
 *
 * A socket begins to listen in the task that calls listen(2). A connection to it is
 * established in softirq, where `current` is any task. So it is recorded as the listener's
 * first, and as the accepting process's later (accepted.bpf.c). If several sockets listen
 * on the port (SO_REUSEPORT), it is not known which of them will get it, and it is recorded
 * without an owner until it is accepted.
 */
#ifndef CONNPIN_INBOUND_BPF_H
#define CONNPIN_INBOUND_BPF_H

#include "port_tracker.bpf.h"

/* The current process listens with the socket TP. WATCHED is IDENTITY_WATCHED or 0. */
static __noinline void record_listener(struct tcp_sock *tp, __u8 watched)
{
	const struct sock *sk = (struct sock *)tp;
	struct opened opened = {};

	set_connection(&opened, sk);
	for (int i = 0; i < 4; i++)
		opened.key.dst_ip[i] = 0;
	opened.key.dst_port = 0;
	opened.kind = IDENTITY_LISTENER | IDENTITY_IN | watched;
	if (BPF_CORE_READ_BITFIELD(&sk->__sk_common, skc_reuseport))
		opened.kind |= IDENTITY_SHARED;
	identify_process(&opened);
}

/*
 * The listening socket at OPENED's own address and port, or at any address, in its network
 * namespace; NULL when none is recorded. As in the kernel, the exact address wins.
 */
static __always_inline struct conn_identity *find_listener(const struct opened *opened)
{
	struct conn_key_v6 key = { .src_port = opened->key.src_port,
				   .protocol = opened->key.protocol };
	struct identity_bucket *bucket;
	__u32 best = NO_WAY, tag;
	__u64 seed[2], hash;

	if (!get_header(INBOUND, seed))
		return NULL;
	hash = identity_hash(&key, seed);
	tag = identity_tag(hash);
	bucket = bucket_at(identity_index(hash, bucket_count(INBOUND)) | INBOUND);
	if (!bucket)
		return NULL;
	for (__u32 i = 0; i < IDENTITY_WAYS; i++) {
		const struct conn_identity *way = &bucket->way[i];
		const __u64 *ip = (const void *)way->src_ip, *own = (const void *)opened->src_ip;

		if (bucket->tag[i] != tag || way->src_port != key.src_port || way->dst_port ||
		    way->ended || way->netns_cookie != opened->netns_cookie)
			continue;
		if (ip[0] == own[0] && ip[1] == own[1]) {
			best = i;
			break;
		}
		if (!(ip[0] | ip[1]))
			best = i;
	}
	barrier_var(best);
	return best < IDENTITY_WAYS ? &bucket->way[best] : NULL;
}

/* A load that no later load overtakes: see load_acquire() of tcp_sockets.bpf.h. */
static __always_inline __u32 load_acquire_u32(__u32 *word)
{
#if defined(__TARGET_ARCH_x86) || defined(__TARGET_ARCH_s390)
	__u32 value = *(volatile __u32 *)word;

	barrier();
	return value;
#else
	return __sync_fetch_and_add(word, 0);
#endif
}

/* Give RECORD the process of LISTENER, or no process when that can't be told. */
static __always_inline void fill_as(struct conn_identity *record, struct conn_identity *listener)
{
	__u32 check;

	record->pid = 0;
	record->tid = 0;
	record->uid = 0;
	record->gid = 0;
	record->start_time = 0;
	record->cgroup_id = 0;
	record->exe_inode = 0;
	record->exe_device = 0;
	record->exec_id = 0;
	__builtin_memset(record->comm, 0, sizeof(record->comm));
	if (!listener || listener->kind & IDENTITY_SHARED)
		return;
	check = load_acquire_u32(&listener->check);
	record->tid = listener->tid;
	record->uid = listener->uid;
	record->gid = listener->gid;
	record->start_time = listener->start_time;
	record->cgroup_id = listener->cgroup_id;
	record->exe_inode = listener->exe_inode;
	record->exe_device = listener->exe_device;
	record->exec_id = listener->exec_id;
	__builtin_memcpy(record->comm, listener->comm, sizeof(record->comm));
	/* Last, and only if no other program wrote the listener's record meanwhile. */
	if (!(check & 1) && load_acquire_u32(&listener->check) == check)
		record->pid = listener->pid;
}

/* Record an established connection that can be accepted. Global like find_way(). */
__noinline int identify_inbound(struct opened *opened)
{
	struct identity_bucket *bucket;
	struct conn_identity *record, *listener;
	__u32 index, tag, known, way, owner;
	__u64 seed[2], hash, now;

	if (!opened || !get_header(INBOUND, seed))
		return 0;
	hash = identity_hash(&opened->key, seed);
	tag = identity_tag(hash);
	index = identity_index(hash, bucket_count(INBOUND)) | INBOUND;
	bucket = bucket_at(index);
	if (!bucket)
		return 0;
	listener = find_listener(opened);
	owner = identity_owner(listener ? listener->uid : 0, IPPROTO_TCP, opened->kind);
	known = find_way(index, opened, tag);
	way = claim_way(index, owner, known, 0);
	if (way >= NO_WAY) {
		COUNT_TRACKER(dropped_in);
		return 0;
	}
	if (way != known)
		count_eviction(bucket, way, INBOUND);
	now = bpf_ktime_get_boot_ns();
	record = &bucket->way[way];
	bucket->tag[way] = tag;
	bucket->owner[way] = owner;
	bucket->time[way] = now;
	fill_connection(record, opened, now);
	record->kind |= IDENTITY_LISTENER;
	fill_as(record, listener);
	/*
	 * A full barrier, which a plain store is not: the record is complete before its
	 * check.
	 */
	__sync_lock_test_and_set(&record->check, identity_check(record));
	opened->place = place_of(index, way);
	opened->time = now;
	return 0;
}

static __noinline void record_inbound(struct tcp_sock *tp, __u8 watched, struct recorded *recorded)
{
	struct opened opened = { .kind = IDENTITY_IN | watched };

	/* The map has only its header when CONN_IN_ENTRIES is 0. */
	if (!bucket_count(INBOUND))
		return;
	set_connection(&opened, (struct sock *)tp);
	identify_inbound(&opened);
	recorded->time = opened.time;
	recorded->place = opened.place;
}

#endif

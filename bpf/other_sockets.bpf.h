/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of sockets that are neither TCP nor UDP, as the programs write it. BPF side
 * only.
 *
 * All reads of a socket go through bpf_probe_read_kernel(), because the hooks have a
 * pointer of a type that the verifier does not know, or an address. When two writers meet
 * on a bucket, each claims a record by making its check odd.
 */
#ifndef CONNPIN_OTHER_SOCKETS_BPF_H
#define CONNPIN_OTHER_SOCKETS_BPF_H

#include "arithmetic.bpf.h"
#include "kernel.h"
#include "other_counts.bpf.h"
#include "other_sockets.h"

/* include/uapi/linux/in.h and in6.h */
#define IPPROTO_ICMP 1
#define IPPROTO_ICMPV6 58
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136
#define IPPROTO_SMC 256
/* include/linux/net.h */
#define SOCK_PACKET 10
/* include/linux/socket.h */
#define AF_UNIX 1
#define AF_KEY 15
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_ALG 38
#define AF_VSOCK 40
#define AF_SMC 43
#define AF_XDP 44

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OTHER_BUCKETS);
	__type(key, __u32);
	__type(value, struct other_bucket);
} other_sockets SEC(".maps");

/* The kernel addresses (struct sock) of the sockets in a bucket's records. */
struct other_memory {
	__u64 sock[OTHER_WAYS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OTHER_BUCKETS);
	__type(key, __u32);
	__type(value, struct other_memory);
} other_memory SEC(".maps");

/* Atomic, because another task that counts may preempt this one on the same CPU. */
static __always_inline void count_other(__u32 offset)
{
	__u32 key = 0;
	void *counts = bpf_map_lookup_elem(&other_socket_counts, &key);

	if (counts && offset < sizeof(struct other_counts))
		__sync_fetch_and_add((__u64 *)(counts + offset), 1);
}

/* What a hook knows about a socket. */
struct other {
	struct sock *sk;
	struct socket *socket;
	__u32 kind;
	__u32 family;
	__u32 protocol;
	__u32 flags; /* OTHER_* */
	__u64 cookie;
};

/* The kind of a socket; OTHER_KINDS when it is not to be recorded. */
static __always_inline __u32 other_kind(__u32 family, __u32 type, __u32 protocol)
{
	switch (family) {
	case AF_INET:
	case AF_INET6:
		if (type == SOCK_RAW)
			return OTHER_RAW;
		switch (protocol) {
		case IPPROTO_TCP:
		case IPPROTO_UDP:
		case IPPROTO_MPTCP:
			return OTHER_KINDS;
		case IPPROTO_ICMP:
		case IPPROTO_ICMPV6:
			return OTHER_ICMP;
		case IPPROTO_SCTP:
			return OTHER_SCTP;
		case IPPROTO_UDPLITE:
			return OTHER_UDPLITE;
		case IPPROTO_SMC:
			return OTHER_SMC;
		}
		return OTHER_REST;
	case AF_UNIX:
	case AF_KEY:
	case AF_NETLINK:
	case AF_ALG:
		return OTHER_KINDS;
	case AF_PACKET:
		return OTHER_PACKET;
	case AF_XDP:
		return OTHER_XDP;
	case AF_SMC:
		return OTHER_SMC;
	case AF_VSOCK:
		return OTHER_VSOCK;
	}
	return OTHER_REST;
}

/*
 * Set the protocol of a socket that is not of AF_INET or AF_INET6. A packet socket has it
 * in a member that libbpf finds only if packet sockets are built in or their module is
 * loaded.
 */
static __always_inline void set_protocol(struct other *other)
{
	struct sock *sk = other->sk;
	struct packet_sock *packet = (void *)sk;

	if (other->family != AF_PACKET)
		other->protocol = BPF_CORE_READ(sk, sk_protocol);
	else if (bpf_core_field_exists(packet->num))
		other->protocol = bpf_ntohs(BPF_CORE_READ(packet, num));
	else
		other->flags |= OTHER_NO_PROTOCOL;
}

static __always_inline __u64 inode_of(struct socket *socket)
{
	struct socket_alloc *alloc =
		(void *)socket - bpf_core_field_offset(struct socket_alloc, socket);

	return BPF_CORE_READ(alloc, vfs_inode.i_ino);
}

/*
 * 1 when the memory at ADDRESS is still the socket with this inode number, which is not 0;
 * else 0. What can't be read is 0.
 */
static __always_inline __u32 is_open(__u64 address, __u64 inode)
{
	struct sock *sk = (void *)address;
	struct socket *socket = BPF_CORE_READ(sk, sk_socket);

	return is_zero64((__u64)BPF_CORE_READ(socket, sk) ^ address) &
	       is_zero64(inode_of(socket) ^ inode);
}

static __always_inline __u32 other_index(__u64 inode)
{
	__u32 buckets = ((struct bpf_map *)&other_sockets)->max_entries;

	return (__u32)((__u64)((__u32)inode * 0x9e3779b1U) * buckets >> 32);
}

#define NO_OTHER_WAY OTHER_WAYS
#define NO_RANK (~0ULL)
#define RANK_OPEN_SHIFT 63

/* A search for the record of a socket, or else for the record that it may replace. */
struct other_search {
	__u64 inode; /* of the socket */
	__u32 index; /* of the bucket */
	__u32 uid;   /* of the process that created it */
	__u32 known; /* the socket's record; NO_OTHER_WAY: it has none */
	__u32 own;   /* how many records this user has */
	/*
	 * The least rank among all and among this user's. Free ones come first, then closed
	 * ones, then open ones, each by age; the lowest three bits are the index.
	 */
	__u64 least;
	__u64 least_own;
};

/* A callback of bpf_loop(), and without branches: see arithmetic.bpf.h. */
static long look_at_way(__u32 i, struct other_search *search)
{
	__u32 index = search->index, way = i & (OTHER_WAYS - 1), is_busy, is_own;
	struct other_bucket *bucket = bpf_map_lookup_elem(&other_sockets, &index);
	struct other_memory *memory = bpf_map_lookup_elem(&other_memory, &index);
	__u64 inode, rank, used;

	if (!bucket || !memory)
		return 1;
	inode = bucket->way[way].inode;
	used = is_zero64(inode) - 1ULL;
	search->known = select(is_zero64(inode ^ search->inode), way, search->known);
	is_busy = bucket->way[way].check & 1;
	rank = used & (bucket->way[way].time << 3 | (__u64)is_open(memory->sock[way], inode)
							    << RANK_OPEN_SHIFT);
	rank |= way | (0 - (__u64)is_busy);
	search->least = lower_of(rank, search->least);
	is_own = used & is_zero(bucket->way[way].uid ^ search->uid) & (is_busy ^ 1);
	search->own += is_own;
	search->least_own = lower_of(rank | (is_own - 1ULL), search->least_own);
	return 0;
}

/* The record for a socket that has none yet; NO_OTHER_WAY when none can be had. */
static __always_inline __u32 choose_other(const struct other_search *search)
{
	__u64 rank = search->least;

	if (search->own >= OTHER_SHARE && rank >= OTHER_WAYS)
		rank = search->least_own;
	return rank == NO_RANK ? NO_OTHER_WAY : rank & (OTHER_WAYS - 1);
}

static __always_inline void write_maker(struct other_socket *record, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	struct mm_struct *mm = task->mm;
	struct file *file;

	record->pid = task->tgid;
	record->tid = task->pid;
	record->uid = task->cred->uid.val;
	record->gid = task->cred->gid.val;
	record->start_time = leader->start_boottime;
	record->exec_id = task->self_exec_id;
	record->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), leader->comm);
	record->comm[OTHER_COMM_BYTES - 1] = '\0';
	record->exe_inode = 0;
	record->exe_device = 0;
	if (!mm)
		return;
	file = mm->exe_file;
	if (!file)
		return;
	record->exe_inode = file->f_inode->i_ino;
	record->exe_device = file->f_inode->i_sb->s_dev;
}

static __always_inline void write_other(struct other_socket *record, const struct other *other,
					__u64 inode)
{
	struct sock *sk = other->sk;
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);

	record->inode = inode;
	record->cookie = other->cookie;
	record->netns = BPF_CORE_READ(net, ns.inum);
	record->netns_cookie = 0;
	if (bpf_core_field_exists(net->net_cookie))
		record->netns_cookie = BPF_CORE_READ(net, net_cookie);
	else if (bpf_core_field_exists(net->ns.ns_id))
		record->netns_cookie = BPF_CORE_READ(net, ns.ns_id);
	record->family = other->family;
	record->protocol = other->protocol;
	record->kind = other->kind;
	record->flags = other->flags;
}

/* Record that TASK created the socket, or had it open before the attachment. */
static __always_inline void record_other(const struct other *other, struct task_struct *task)
{
	__u64 inode = inode_of(other->socket);
	__u32 index = other_index(inode), way, check;
	struct other_bucket *bucket = bpf_map_lookup_elem(&other_sockets, &index);
	struct other_memory *memory = bpf_map_lookup_elem(&other_memory, &index);
	struct other_search search = {
		.inode = inode,
		.index = index,
		.uid = task->cred->uid.val,
		.known = NO_OTHER_WAY,
		.least = NO_RANK,
		.least_own = NO_RANK,
	};
	struct other_socket *record;

	if (!bucket || !memory || !inode)
		return;
	bpf_loop(OTHER_WAYS, look_at_way, &search, 0);
	way = search.known;
	/* Its creator is recorded, or an older process that has it open. */
	if (other->flags & OTHER_BEFORE && way < OTHER_WAYS &&
	    memory->sock[way] == (__u64)other->sk &&
	    (!(bucket->way[way].flags & OTHER_BEFORE) ||
	     bucket->way[way].start_time <= task->group_leader->start_boottime))
		return;
	if (way >= OTHER_WAYS)
		way = choose_other(&search);
	barrier_var(way);
	if (way >= OTHER_WAYS) {
		count_other(offsetof(struct other_counts, dropped));
		return;
	}
	record = &bucket->way[way];
	check = record->check;
	if (check & 1 || __sync_val_compare_and_swap(&record->check, check, check | 1) != check) {
		count_other(offsetof(struct other_counts, dropped));
		return;
	}
	if (record->inode && record->inode != inode)
		count_other(offsetof(struct other_counts, evicted));
	memory->sock[way] = (__u64)other->sk;
	bucket->closed[way] = 0;
	write_other(record, other, inode);
	write_maker(record, task);
	record->time = bpf_ktime_get_boot_ns();
	/*
	 * A full barrier, which a plain store is not: the record is complete before its
	 * check.
	 */
	__sync_lock_test_and_set(&record->check, other_check(record));
}

/* Count and record a socket that the current process has created. */
static __always_inline void record_made(const struct other *other)
{
	count_other(other->kind * sizeof(__u64));
	record_other(other, bpf_get_current_task_btf());
}

/* record_made() for a socket that is not of AF_INET or AF_INET6; sk and socket are set. */
static __always_inline void record_family(struct other *other)
{
	struct sock *sk = other->sk;

	other->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (other->family == AF_INET || other->family == AF_INET6)
		return;
	other->kind = other_kind(other->family, 0, 0);
	if (other->kind == OTHER_KINDS)
		return;
	other->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	set_protocol(other);
	record_made(other);
}

#endif

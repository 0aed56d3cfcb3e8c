/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the record of a UDP socket and its destination is, so that a further datagram needs
 * neither the hash of its key nor the network namespace of its socket. BPF side only.
 *
 * An entry is written and read word by word, without a lock; its check tells a mix of two.
 * What it leads to is compared with the datagram, because a record may give way to another
 * one at any time. A socket never leaves its network namespace, and no two sockets of a host
 * have the same cookie, so the namespace is that of the record.
 */
#ifndef CONNPIN_UDP_KNOWN_BPF_H
#define CONNPIN_UDP_KNOWN_BPF_H

#include "identity.bpf.h"

#define UDP_KNOWN_ENTRIES 2048 /* a power of 2; a newer entry overwrites an older one */

struct udp_known {
	__u64 cookie; /* of the socket; 0: free */
	__u64 netns_cookie;
	__u32 place; /* place_of() of the record */
	__u32 tag;   /* and its tag, by which readers find it */
	__u64 check; /* udp_known_check() of the entry */
};

/* For the programs alone. Key: a hash of socket and destination. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UDP_KNOWN_ENTRIES);
	__type(key, __u32);
	__type(value, struct udp_known);
} udp_known SEC(".maps");

static __always_inline __u64 udp_known_check(__u64 cookie, __u64 netns_cookie, __u32 place,
					     __u32 tag)
{
	return cookie * 0x9e3779b97f4a7c15ULL ^ netns_cookie * 0xbf58476d1ce4e5b9ULL ^
	       ((__u64)tag << 32 | place) * 0x94d049bb133111ebULL;
}

/* The hash needs no key: who overwrites an entry makes a datagram cost what a new one does. */
static __always_inline struct udp_known *known_at(const struct opened *opened)
{
	__u64 ip =
		(__u64)opened->key.dst_ip[3] << 32 | (opened->key.dst_ip[2] ^ opened->key.dst_port);
	__u32 index =
		((ip ^ opened->cookie) * 0x9e3779b97f4a7c15ULL >> 40) & (UDP_KNOWN_ENTRIES - 1);

	return bpf_map_lookup_elem(&udp_known, &index);
}

/* Whether the current process is recorded as the owner of OPENED, which has a cookie. */
static __always_inline bool is_recorded(struct opened *opened)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 start_time = task->group_leader->start_boottime;
	const struct udp_known *known = known_at(opened);
	const struct identity_header *header;
	const struct conn_identity *record;
	struct identity_bucket *bucket;
	__u64 netns_cookie;
	__u32 place, tag, way;

	if (!known || known->cookie != opened->cookie)
		return false;
	netns_cookie = known->netns_cookie;
	place = known->place;
	tag = known->tag;
	if (known->check != udp_known_check(opened->cookie, netns_cookie, place, tag))
		return false;
	header = entry_at(0);
	bucket = bucket_at(index_at(place));
	if (!header || !bucket)
		return false;
	way = way_at(place);
	record = &bucket->way[way];
	opened->netns_cookie = netns_cookie;
	return bucket->tag[way] == tag && is_of(record, opened) &&
	       is_known(record, task, start_time, header);
}

/* Keep where the record of OPENED is. */
static __always_inline void keep_place(const struct opened *opened)
{
	__u32 tag = identity_tag(opened->hash);
	struct udp_known *known;

	if (!opened->cookie || !opened->place || opened->is_reply)
		return;
	known = known_at(opened);
	if (!known)
		return;
	known->cookie = opened->cookie;
	known->netns_cookie = opened->netns_cookie;
	known->place = opened->place;
	known->tag = tag;
	known->check = udp_known_check(opened->cookie, opened->netns_cookie, opened->place, tag);
}

#endif

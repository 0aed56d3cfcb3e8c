/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which datagrams are replies: those of an unconnected socket to who has sent to it first.
 * BPF side only.
 *
 * An entry is written and read in words, and nobody waits: half of one and half of another
 * may pass for a third. A mistake changes no answer, only how much room a record may take.
 */
#ifndef CONNPIN_UDP_ASKED_BPF_H
#define CONNPIN_UDP_ASKED_BPF_H

#include "kernel.h"
#include "port_tracker.h"
#include "udp_asked.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UDP_ASKED_ENTRIES);
	__type(key, __u32);
	__type(value, struct udp_asked);
} udp_asked SEC(".maps");

/*
 * The entry of the socket that COOKIE is of and of the destination of TO. Not a keyed hash:
 * who finds two of one entry gets replies recorded as if they were none.
 */
static __always_inline struct udp_asked *asked_at(__u64 cookie, const struct conn_key_v6 *to)
{
	__u64 ip = (__u64)(to->dst_ip[3] ^ to->dst_ip[1]) << 32 | (to->dst_ip[2] ^ to->dst_ip[0]);
	__u64 hash = (ip ^ cookie) * 0x9e3779b97f4a7c15ULL;
	__u32 index = (hash ^ to->dst_port) * 0xbf58476d1ce4e5b9ULL >> 40;

	index &= UDP_ASKED_ENTRIES - 1;
	return bpf_map_lookup_elem(&udp_asked, &index);
}

static __always_inline bool is_asker(const struct udp_asked *asked, __u64 cookie,
				     const struct conn_key_v6 *to)
{
	return asked->cookie == cookie && asked->ip[0] == to->dst_ip[0] &&
	       asked->ip[1] == to->dst_ip[1] && asked->ip[2] == to->dst_ip[2] &&
	       asked->ip[3] == to->dst_ip[3] && asked->port == to->dst_port;
}

/* Whether the destination of TO has sent to the socket that COOKIE is of. */
static __always_inline bool was_asked(__u64 cookie, const struct conn_key_v6 *to)
{
	const struct udp_asked *asked = asked_at(cookie, to);

	return asked && is_asker(asked, cookie, to);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tells which datagrams are replies: those of an unconnected socket to a peer that sent
 * first. BPF side only.
 *
 * Entries are written and read word by word, without a lock, so a mix of two may pass for a
 * third. Such a mistake changes no answer, only how much room a record may take.
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
 * The entry for a socket's COOKIE and the destination of TO. The hash needs no key: a user
 * who finds collisions only gets replies recorded as other datagrams are.
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

/* Whether the destination of TO has sent first to the socket with COOKIE. */
static __always_inline bool was_asked(__u64 cookie, const struct conn_key_v6 *to)
{
	const struct udp_asked *asked = asked_at(cookie, to);

	return asked && is_asker(asked, cookie, to);
}

#endif

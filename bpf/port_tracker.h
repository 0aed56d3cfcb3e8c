/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The connection table: names and layouts of the maps that say which process opened a TCP
 * connection or sent a UDP datagram.
 *
 * Both sides include this file, and readers written in other languages may rely on it byte
 * for byte: the layouts never change under these names.
 *
 * Replies of an unconnected UDP socket to a peer that sent first (udp_asked.h) are not
 * recorded.
 *
 * The key has no source address, because an unbound socket has none yet when it is
 * recorded. The source port tells connections apart, unless two sockets use it at different
 * addresses.
 *
 * An entry is a hint, and no decision may rest on it. The key has no network namespace
 * either. Any user who makes one ("unshare -Urn") can write any key, with a PID of their
 * own; so can a user who binds another address of this host, or sends a datagram that the
 * kernel then refuses. And any user can evict entries with 65,536 datagrams to different
 * addresses. To be sure, ask conn-lookup or read the identity tables (identity.h), which
 * tell all of these apart.
 */
#ifndef CONNPIN_PORT_TRACKER_H
#define CONNPIN_PORT_TRACKER_H

#include <linux/types.h>

/* Default capacities, in entries; settings CONN_V4_ENTRIES and CONN_V6_ENTRIES. */
#define CONN_V4_ENTRIES 65536
#define CONN_V6_ENTRIES 16384

/*
 * Key of conn_to_pid_v4. An IPv4-mapped IPv6 destination (::ffff:a.b.c.d) is
 * stored here too, as a.b.c.d.
 */
struct conn_key_v4 {
	__u32 dst_ip;	/* network byte order */
	__u16 src_port; /* host byte order, 1 to 65535 */
	__u16 dst_port; /* host byte order, 1 to 65535 */
	__u8 protocol;	/* 6 TCP, 17 UDP */
	__u8 pad[3];	/* always 0: the hash covers all 12 bytes */
} __attribute__((packed));

/* Key of conn_to_pid_v6. */
struct conn_key_v6 {
	__u32 dst_ip[4]; /* network byte order */
	__u16 src_port;	 /* host byte order, 1 to 65535 */
	__u16 dst_port;	 /* host byte order, 1 to 65535 */
	__u8 protocol;	 /* 6 TCP, 17 UDP */
	__u8 pad[3];	 /* always 0 */
} __attribute__((packed));

/*
 * Value of both maps: the thread-group id of the process, in the initial PID namespace,
 * host byte order, never 0.
 */
typedef __u32 conn_pid;

/*
 * The tracker's self metrics: map `tracker_metrics`, a per-CPU array with one entry, key
 * __u32 0. A reader adds up the structs of all possible CPUs. Host byte order; it counts
 * from the first attachment.
 */
#define TRACKER_METRICS_ENTRIES 1

struct tracker_metrics {
	__u64 recorded_tcp_v4; /* entries written: a new connection or a new owner */
	__u64 recorded_tcp_v6;
	__u64 recorded_udp_v4;
	__u64 recorded_udp_v6;
	__u64 dropped_v4;	/* updates of conn_to_pid_v4 that the kernel refused */
	__u64 dropped_v6;	/* updates of conn_to_pid_v6 that the kernel refused */
	__u64 dropped_identity; /* records not written: no record of the bucket could be replaced */
	__u64 refused_v6;	/* calls that ipv6_blocker refused */
	__u64 evicted_tcp;	/* records replaced by that of another connection */
	__u64 evicted_udp;
	__u64 dropped_in; /* dropped and evicted records of conn_identity_in */
	__u64 evicted_in;
};

_Static_assert(sizeof(struct tracker_metrics) == 96, "append only, then put the new size here");
_Static_assert(sizeof(struct conn_key_v4) == 12, "conn_key_v4 is 12 bytes for ever");
_Static_assert(sizeof(struct conn_key_v6) == 24, "conn_key_v6 is 24 bytes for ever");
_Static_assert(sizeof(conn_pid) == 4, "the value is 4 bytes for ever");

#endif

/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The identity tables: which process owns a recorded connection, and how the connection
 * went. Map `conn_identity`, beside conn_to_pid_v4 and conn_to_pid_v6, has the connections
 * that were opened on this host. Map `conn_identity_in` has those that were accepted here,
 * and the listening sockets. Both are arrays with BPF_F_MMAPABLE and have one layout. They
 * are two maps so that a busy server does not evict what was opened.
 *
 * Key: __u32. Entry 0 is a struct identity_header, the others are buckets of eight records.
 * identity_hash() gives the bucket and the tag of a connection. All integers are in host
 * byte order unless a line says otherwise.
 *
 * Two records differ in destination, ports, protocol, network namespace (by its cookie) or
 * source address; if all of these are the same, the later record overwrites the earlier
 * one. A record with PID 0 is an answer too: the connection was opened, but by no process,
 * or it is not known by which.
 *
 * Eviction: a new connection takes a free record of its bucket. If there is none, a user
 * who has IDENTITY_SHARE records in the bucket loses the oldest of these; for any other
 * user the oldest record goes. A datagram never evicts a TCP connection, and TCP leaves
 * room for datagrams, since it gets no more than IDENTITY_TCP_WAYS. So a full table loses
 * what is old, and no user can evict more records of others from a bucket than that share.
 * A reply of an unconnected UDP server takes a free record or that of another reply, and is
 * evicted by any other record. Users are numbered as in the initial user namespace: a user
 * with many numbers, as from /etc/subuid, counts as many users.
 *
 * A reader copies a bucket (BPF_MAP_LOOKUP_ELEM) or maps the memory itself (mmap), if it
 * may open the map for writing. Writers wait for neither, so a copy may be half old and
 * half new: a record is valid only when its check is what identity_check() computes from
 * it. For the same reason a reader needs no barrier on a processor that reorders loads:
 * whatever the order, the words either form one record or fail the check. A record answers
 * for a connection only when its whole key matches; the tag is a hint.
 *
 * The maps conn_to_pid_* have no namespace: any user can make a user and a network
 * namespace ("unshare -Urn") and from there write any key, with a PID of their own. So no
 * decision may rest on an entry alone. conn-lookup gives such a PID-only answer only when
 * no record of the reader's namespace has the key, and no record of another namespace has
 * the key and that PID; its status is "unknown" and it has no other fields. Records of
 * other namespaces are found only by asking for that namespace, for any, or for a source
 * address that the reader's namespace does not have.
 */
#ifndef CONNPIN_IDENTITY_H
#define CONNPIN_IDENTITY_H

#include "port_tracker.h"

#define IDENTITY_VERSION 3
#define IDENTITY_WAYS 8	    /* records of a bucket */
#define IDENTITY_SHARE 4    /* a user who has that many in a bucket loses own ones */
#define IDENTITY_TCP_WAYS 6 /* of them, for TCP */

#define CONN_IN_ENTRIES 8192 /* default capacity of conn_identity_in, and the setting's name */
#define IDENTITY_IN_ENTRIES (CONN_IN_ENTRIES / IDENTITY_WAYS + 1)

/* Records for as many entries as the connection table has, and the header. */
#define IDENTITY_ENTRIES ((CONN_V4_ENTRIES + CONN_V6_ENTRIES) / IDENTITY_WAYS + 1)

#define IDENTITY_COMM_BYTES 16 /* TASK_COMM_LEN of include/linux/sched.h */

/* Bits of `flags`. */
#define IDENTITY_SRC_OF_MESSAGE 1 /* the source address came with the datagram (IP_PKTINFO) */

/*
 * `kind`: the two lowest bits say what the process is to the connection, and the others are
 * flags. The record of a listening socket has its port as src_port and no destination.
 */
enum {
	IDENTITY_OPENER,   /* it connected the socket or sent the datagram */
	IDENTITY_ACCEPTER, /* it took the connection from the queue of the listening socket */
	IDENTITY_LISTENER, /* it listens; no process is known to have accepted the connection */
	IDENTITY_HOLDER,   /* it had the socket open when connpin was attached */
};
#define IDENTITY_OWNER 3 /* mask of these four */
#define IDENTITY_IN 4	 /* the connection was accepted here, or the socket listens */
#define IDENTITY_NO_DIRECTION \
	8		    /* which side opened it is not known: it is older than the attachment */
#define IDENTITY_SHARED 32  /* other sockets may listen on the same port (SO_REUSEPORT) */
#define IDENTITY_WATCHED 64 /* its end will be seen: while `ended` is 0 it is open */
#define IDENTITY_BEFORE 16  /* older than the attachment, whose time it has */

/* `ended`: how the connection ended. IDENTITY_OPEN until it does; UDP never does. */
enum {
	IDENTITY_OPEN,
	IDENTITY_FIN, /* both sides closed it with a FIN */
	IDENTITY_RESET_BY_PEER,
	IDENTITY_RESET_SENT,
	IDENTITY_TIMEOUT,     /* the peer stopped answering, or never did */
	IDENTITY_REFUSED,     /* a RST answered the SYN */
	IDENTITY_UNREACHABLE, /* by ICMP, or because the route is gone */
	IDENTITY_ABORTED,     /* this host gave up before it was established */
	IDENTITY_CLOSED,      /* a listening socket was closed */
	IDENTITY_ENDS,
};

/* 160 bytes. */
struct conn_identity {
	__u32 check;	 /* identity_check() of the record; odd while it is written */
	__u32 netns;	 /* inode number of the socket's network namespace; may be reused */
	__u32 dst_ip[4]; /* network byte order; IPv4 as ::ffff:a.b.c.d */
	__u16 src_port;
	__u16 dst_port;
	__u8 protocol;	    /* 6 TCP, 17 UDP */
	__u8 flags;	    /* IDENTITY_SRC_OF_MESSAGE */
	__u8 kind;	    /* IDENTITY_OPENER and so on, with the bits above */
	__u8 ended;	    /* IDENTITY_OPEN and so on */
	__u32 src_ip[4];    /* likewise; all 0: the socket had no address yet */
	__u64 netns_cookie; /* SO_NETNS_COOKIE, never reused; 0: not known */
	__u32 pid;	    /* of the process, as in conn_to_pid_*; 0: none, or not known */
	__u32 tid;	    /* of the thread that connected or sent first */
	__u32 uid;	    /* real user and group, in the initial user namespace */
	__u32 gid;
	__u64 start_time; /* of the process, ns since boot, suspended time included */
	__u64 time;	  /* of the connect or the first datagram, on the same clock */
	__u64 cgroup_id;  /* of the process's cgroup (version 2): its inode number */
	__u64 exe_inode;  /* of the executable: i_ino of mm->exe_file; 0: none */
	__u32 exe_device; /* its s_dev: major number << 20 | minor number */
	__u32 exec_id;	  /* low bits of self_exec_id, which each exec changes */
	char comm[IDENTITY_COMM_BYTES]; /* of the process, not the thread; ends with NUL */
	/* Of a TCP connection that has ended; 0 until then, and where it is not known. */
	__u64 duration;	     /* ns from `time` to the end; 0: not known */
	__u64 sent;	     /* bytes of payload, without retransmissions */
	__u64 received;	     /* bytes of payload, in order */
	__u32 retransmitted; /* segments, the SYN included */
	__u32 round_trip;    /* smoothed, at the end, in eighths of a microsecond; 0: not known */
};

/*
 * Set in the time of a bucket's record for the reply of an unconnected UDP server. Such a
 * datagram is no connection of that process. A look-up of the datagram finds it as long as
 * no other record needs the room; no list contains it.
 */
#define IDENTITY_REPLY (1ULL << 63)

/*
 * What a writer reads of all records to choose one comes first, so that it reads two cache
 * lines for that.
 */
struct identity_bucket {
	__u32 tag[IDENTITY_WAYS];   /* identity_tag() of each record; 0: free */
	__u32 owner[IDENTITY_WAYS]; /* identity_owner() of each */
	/* The time of each record or a later one; with IDENTITY_REPLY for a reply. */
	__u64 time[IDENTITY_WAYS];
	struct conn_identity way[IDENTITY_WAYS];
};

#define IDENTITY_UNSEEN 64 /* a power of 2 */

/* Entry 0. It is all 0 until something is recorded. */
struct identity_header {
	__u32 version; /* IDENTITY_VERSION */
	__u32 buckets; /* entries 1 to this one are buckets */
	__u64 seed[2]; /* of the hash, random, neither is ever 0; the same in both tables */
	/*
	 * For kernels on which a connect of a UDP socket may pass unseen
	 * (bpf/udp_connect_tp.bpf.c): the last time this happened, to any destination, and
	 * to one whose identity_unseen() is the index. The source port of that socket is
	 * not known, so an older UDP record of the destination may have a port that is
	 * another socket's by now.
	 */
	__u64 unseen_last;
	__u64 unseen[IDENTITY_UNSEEN];
};

_Static_assert(sizeof(struct conn_identity) == 160, "a new layout needs a new version");
_Static_assert(sizeof(struct identity_bucket) == 1408, "a new layout needs a new version");
_Static_assert(sizeof(struct identity_header) <= sizeof(struct identity_bucket), "an entry");

static inline __u64 identity_rotate(__u64 x, unsigned n)
{
	return x << n | x >> (64 - n);
}

#define IDENTITY_SIP_ROUND(v0, v1, v2, v3)                                            \
	do {                                                                          \
		v0 += v1, v2 += v3;                                                   \
		v1 = identity_rotate(v1, 13) ^ v0, v3 = identity_rotate(v3, 16) ^ v2; \
		v0 = identity_rotate(v0, 32);                                         \
		v2 += v1, v0 += v3;                                                   \
		v1 = identity_rotate(v1, 17) ^ v2, v3 = identity_rotate(v3, 21) ^ v0; \
		v2 = identity_rotate(v2, 32);                                         \
	} while (0)

#define IDENTITY_KEY_BYTES 21 /* destination, ports and protocol are hashed */

/*
 * SipHash-1-3 (Aumasson, Bernstein; reference/ of github.com/veorq/SipHash) of the first 21
 * bytes of a struct conn_key_v6, taken as 8-byte numbers in host byte order. Because it is
 * keyed, a user who does not know the seed can't find keys that share a bucket. Only root
 * and the group PIN_GROUP may read the seed. The upper half chooses the bucket, the lower
 * half is the tag.
 */
static inline __u64 identity_hash(const struct conn_key_v6 *key, const __u64 seed[2])
{
	__u64 v0 = seed[0] ^ 0x736f6d6570736575ULL, v1 = seed[1] ^ 0x646f72616e646f6dULL;
	__u64 v2 = seed[0] ^ 0x6c7967656e657261ULL, v3 = seed[1] ^ 0x7465646279746573ULL;
	__u64 word[3] = {
		(__u64)key->dst_ip[1] << 32 | key->dst_ip[0],
		(__u64)key->dst_ip[3] << 32 | key->dst_ip[2],
		(__u64)IDENTITY_KEY_BYTES << 56 | (__u64)key->protocol << 32 |
			(__u64)key->dst_port << 16 | key->src_port,
	};

	v3 ^= word[0];
	IDENTITY_SIP_ROUND(v0, v1, v2, v3);
	v0 ^= word[0];
	v3 ^= word[1];
	IDENTITY_SIP_ROUND(v0, v1, v2, v3);
	v0 ^= word[1];
	v3 ^= word[2];
	IDENTITY_SIP_ROUND(v0, v1, v2, v3);
	v0 ^= word[2];
	v2 ^= 0xff;
	IDENTITY_SIP_ROUND(v0, v1, v2, v3);
	IDENTITY_SIP_ROUND(v0, v1, v2, v3);
	IDENTITY_SIP_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

/*
 * A sum of all words but the check itself, each multiplied by its own factor; the result is
 * even. A mix of two records passes as valid with a probability of 2^-31.
 */
static inline __u32 identity_check(const struct conn_identity *record)
{
	const __u64 *word = (const void *)record;
	__u64 sum = (__u64)record->netns * 0x9e3779b97f4a7c15ULL;

	sum += word[1] * 0xbf58476d1ce4e5b9ULL;
	sum += word[2] * 0x94d049bb133111ebULL;
	sum += word[3] * 0xd6e8feb86659fd93ULL;
	sum += word[4] * 0xff51afd7ed558ccdULL;
	sum += word[5] * 0xc4ceb9fe1a85ec53ULL;
	sum += word[6] * 0x2545f4914f6cdd1dULL;
	sum += word[7] * 0x5851f42d4c957f2dULL;
	sum += word[8] * 0xda942042e4dd58b5ULL;
	sum += word[9] * 0xaef17502108ef2d9ULL;
	sum += word[10] * 0x9fb21c651e98df25ULL;
	sum += word[11] * 0xa0761d6478bd642fULL;
	sum += word[12] * 0xe7037ed1a0b428dbULL;
	sum += word[13] * 0x8ebc6af09c88c6e3ULL;
	sum += word[14] * 0x589965cc75374cc3ULL;
	sum += word[15] * 0x1d8e4e27c47d124fULL;
	sum += word[16] * 0x8cb92ba72f3d8dd7ULL;
	sum += word[17] * 0xaaaaaaaaaaaaaaabULL;
	sum += word[18] * 0xc2b2ae3d27d4eb4fULL;
	sum += word[19] * 0x165667b19e3779f9ULL;
	return (__u32)(sum >> 32) & ~1U;
}

static inline __u32 identity_index(__u64 hash, __u32 buckets)
{
	return 1 + (__u32)((hash >> 32) * buckets >> 32);
}

static inline __u32 identity_tag(__u64 hash)
{
	return (__u32)hash | 1;
}

/*
 * The user of a record, and in the lowest bit 1 for records that never evict those with 0:
 * a datagram never evicts TCP, and in conn_identity_in an accepted connection never evicts
 * a listening socket.
 */
static inline __u32 identity_owner(__u32 uid, __u8 protocol, __u8 kind)
{
	return uid << 1 |
	       (kind & IDENTITY_IN ? (kind & IDENTITY_OWNER) != IDENTITY_LISTENER : protocol == 17);
}

/*
 * The index of KEY in unseen[]. It depends on the destination and its port, not on the
 * source.
 */
static inline __u32 identity_unseen(const struct conn_key_v6 *key, const __u64 seed[2])
{
	struct conn_key_v6 any = *key;

	any.src_port = 0;
	return (__u32)identity_hash(&any, seed) & (IDENTITY_UNSEEN - 1);
}

#endif

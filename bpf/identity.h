/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The identity tables: whose a recorded connection is, and how it went. Maps
 * `conn_identity`, of the connections that were opened here, kept beside conn_to_pid_v4 and
 * conn_to_pid_v6, and `conn_identity_in`, of those that were accepted here and of the
 * sockets that listen. Both are arrays with BPF_F_MMAPABLE and have the same layout; they
 * are apart so that a busy server does not push out what was opened.
 *
 * Key: __u32, entry 0 is a struct identity_header, the others are buckets of eight
 * records. A connection's bucket and tag follow from identity_hash(). All integers are
 * in host byte order unless a line says so.
 *
 * What tells two records apart is destination, ports and protocol, the network namespace
 * by its cookie, and the source address: when all of it is the same, the later record
 * holds. A record of nobody (pid 0) is an answer too: this connection was opened, and who
 * did it can't be told, or no process did.
 *
 * Room: a new connection takes a free record of its bucket; else a user who has
 * IDENTITY_SHARE of the bucket gives up the oldest of the own ones, and anybody else takes
 * the oldest. A datagram never takes the place of TCP, and TCP leaves room for datagrams:
 * it has no more than IDENTITY_TCP_WAYS. So what is lost in a full table is old, and no
 * user can push out of a bucket more of the others' records than that share. A reply of an
 * unconnected UDP server takes what is free, or the place of another reply, and gives it
 * up to any other record. (Users are
 * told apart as the initial user namespace numbers them: who was given many numbers, as
 * by /etc/subuid, counts as many.)
 *
 * A reader gets a copy of a bucket (BPF_MAP_LOOKUP_ELEM) or, when it may open the map
 * for writing, the memory itself (mmap). Writers wait for neither, so a copy may be
 * half old and half new: it counts only when its check is the one that
 * identity_check() computes of it. That is also why a reader needs no barrier on a
 * processor that reorders loads: in whatever order the words came, together they either
 * are one record or fail the check. A record answers for a connection only when its whole
 * key is the one that was asked for: a tag is a hint.
 *
 * What an entry of conn_to_pid_* says beside it. Those maps have no namespace: any user
 * who makes a user and a network namespace ("unshare -Urn") can write any key of them,
 * with the own PID. So a bare PID is a hint that no decision may rest on. conn-lookup gives
 * it only when no record of the asker's namespace has the key and none of another
 * namespace has that very PID, and then with the status "unknown" and nothing else. Records
 * of another namespace answer those alone who ask for that one, for any, or for a source
 * address that the asker's namespace does not have.
 */
#ifndef CONNPIN_IDENTITY_H
#define CONNPIN_IDENTITY_H

#include "port_tracker.h"

#define IDENTITY_VERSION 3
#define IDENTITY_WAYS 8	    /* records of a bucket */
#define IDENTITY_SHARE 4    /* of them, from which on a user gives up own ones */
#define IDENTITY_TCP_WAYS 6 /* of them, that TCP may have */

#define CONN_IN_ENTRIES 8192 /* default capacity of conn_identity_in; the setting's name too */
#define IDENTITY_IN_ENTRIES (CONN_IN_ENTRIES / IDENTITY_WAYS + 1)

/* One for each entry of the connection table, and the header. */
#define IDENTITY_ENTRIES ((CONN_V4_ENTRIES + CONN_V6_ENTRIES) / IDENTITY_WAYS + 1)

#define IDENTITY_COMM_BYTES 16 /* TASK_COMM_LEN of include/linux/sched.h */

/* Bits of a record's flags. */
#define IDENTITY_SRC_OF_MESSAGE 1 /* the source address came with the datagram (IP_PKTINFO) */

/*
 * A record's kind: who its process is to the connection (the two lowest bits), and bits.
 * A socket that listens is recorded with the own port as src_port and no destination.
 */
enum {
	IDENTITY_OPENER,   /* connected the socket, or sent the datagram */
	IDENTITY_ACCEPTER, /* took it from the queue of the socket that listens */
	IDENTITY_LISTENER, /* listens; nobody has accepted it, as far as is known */
	IDENTITY_HOLDER,   /* had it open when connpin was attached */
};
#define IDENTITY_OWNER 3	/* mask of the above */
#define IDENTITY_IN 4		/* it was accepted here, or listens */
#define IDENTITY_NO_DIRECTION 8 /* who opened it is not known: it is older than the attachment */
#define IDENTITY_SHARED 32	/* other sockets may listen at the same port (SO_REUSEPORT) */
#define IDENTITY_WATCHED 64	/* its end is seen: while `ended` is 0 it is open */
#define IDENTITY_BEFORE 16	/* older than the attachment: time is that of the attachment */

/* How it ended; IDENTITY_OPEN until it does, and of UDP always. */
enum {
	IDENTITY_OPEN,
	IDENTITY_FIN, /* both sides closed it in order */
	IDENTITY_RESET_BY_PEER,
	IDENTITY_RESET_SENT,
	IDENTITY_TIMEOUT,     /* nothing answered any more, or nothing at all */
	IDENTITY_REFUSED,     /* a RST answered the SYN */
	IDENTITY_UNREACHABLE, /* ICMP said so, or the route is gone */
	IDENTITY_ABORTED,     /* this host gave up the attempt */
	IDENTITY_CLOSED,      /* a socket that listened was closed */
	IDENTITY_ENDS,
};

/* 160 bytes. */
struct conn_identity {
	__u32 check;	 /* identity_check() of the record; odd: it is being written */
	__u32 netns;	 /* of the socket: the inode number of its namespace, used again */
	__u32 dst_ip[4]; /* network byte order; IPv4 as ::ffff:a.b.c.d */
	__u16 src_port;
	__u16 dst_port;
	__u8 protocol;	    /* 6 TCP, 17 UDP */
	__u8 flags;	    /* IDENTITY_SRC_OF_MESSAGE */
	__u8 kind;	    /* see above */
	__u8 ended;	    /* likewise */
	__u32 src_ip[4];    /* as dst_ip; all 0: the socket had none yet */
	__u64 netns_cookie; /* SO_NETNS_COOKIE of the socket, never used again; 0: not known */
	__u32 pid;	    /* the process, as in conn_to_pid_*; 0: nobody, or not known */
	__u32 tid;	    /* its thread that connected or sent first */
	__u32 uid;	    /* real user and group, as the initial namespace has them */
	__u32 gid;
	__u64 start_time;		/* of the process, ns since boot, suspended time included */
	__u64 time;			/* of the connect or the first datagram, same clock */
	__u64 cgroup_id;		/* of the process in cgroup v2: the inode number */
	__u64 exe_inode;		/* of the executable: i_ino of mm->exe_file; 0: none */
	__u32 exe_device;		/* its s_dev: major number << 20 | minor number */
	__u32 exec_id;			/* self_exec_id, low bits: another one after each exec */
	char comm[IDENTITY_COMM_BYTES]; /* of the process, not of the thread; NUL-ended */
	/* Of a TCP connection that has ended; 0 before, and where it is not known. */
	__u64 duration;	     /* ns from `time` to the end; 0: not known */
	__u64 sent;	     /* bytes of payload, the first time each was sent */
	__u64 received;	     /* bytes of payload, in order */
	__u32 retransmitted; /* segments, SYN among them */
	__u32 round_trip;    /* smoothed, at the end, in eighths of a microsecond; 0: not known */
};

/*
 * The datagram was a reply of an unconnected UDP server to who had asked it: no connection
 * of that process. It is an answer to who asks whose the datagram is, as long as nobody
 * needs the room, and it is in no list.
 */
#define IDENTITY_REPLY (1ULL << 63)

/*
 * What a writer has to know of each record to choose one, in front of them, so that it
 * reads two lines of the cache for that.
 */
struct identity_bucket {
	__u32 tag[IDENTITY_WAYS];   /* of each record; 0: free */
	__u32 owner[IDENTITY_WAYS]; /* identity_owner() */
	/* When it was written: the record's time, or later. Of a reply with IDENTITY_REPLY. */
	__u64 time[IDENTITY_WAYS];
	struct conn_identity way[IDENTITY_WAYS];
};

#define IDENTITY_UNSEEN 64 /* a power of 2 */

/* Entry 0. All 0 until something was recorded. */
struct identity_header {
	__u32 version; /* IDENTITY_VERSION */
	__u32 buckets; /* entries 1 to this are buckets */
	__u64 seed[2]; /* of the hash, random, neither ever 0; both tables have the same */
	/*
	 * Where connects of UDP sockets may pass unseen (bpf/udp_connect_tp.bpf.c): when that
	 * last happened to any destination, and to one of identity_unseen()'s number. The
	 * source port was not known: a UDP record of such a destination that is older may be
	 * of a port that another socket has by now.
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

#define IDENTITY_KEY_BYTES 21 /* destination, ports, protocol: what is hashed */

/*
 * SipHash-1-3 (Aumasson, Bernstein; reference/ of github.com/veorq/SipHash) of the first
 * 21 bytes of a struct conn_key_v6, taken as numbers of 8 bytes in host byte order. A keyed
 * function: who does not know the seed finds no two keys of one bucket, and the seed is in
 * the map, which root and the group PIN_GROUP alone may read. The upper half chooses the
 * bucket, the lower half is the tag.
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
 * A sum of all but the check itself, each word with a factor of its own; even. A mix
 * of two records passes for one with a probability of 2^-31.
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
 * Whose a record is, as far as the room in a bucket is concerned: the user, and 1 for what
 * never takes the place of what has 0: a datagram that of TCP, and in conn_identity_in an
 * accepted connection that of a socket that listens.
 */
static inline __u32 identity_owner(__u32 uid, __u8 protocol, __u8 kind)
{
	return uid << 1 |
	       (kind & IDENTITY_IN ? (kind & IDENTITY_OWNER) != IDENTITY_LISTENER : protocol == 17);
}

/* Which of the header's unseen[] is KEY's: by destination and its port, whatever the source. */
static inline __u32 identity_unseen(const struct conn_key_v6 *key, const __u64 seed[2])
{
	struct conn_key_v6 any = *key;

	any.src_port = 0;
	return (__u32)identity_hash(&any, seed) & (IDENTITY_UNSEEN - 1);
}

#endif

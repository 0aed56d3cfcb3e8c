/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The identity table: whose a recorded connection is. Map `conn_identity`, an
 * array with BPF_F_MMAPABLE, kept beside conn_to_pid_v4 and conn_to_pid_v6.
 *
 * Key: __u32, entry 0 is a struct identity_header, the others are buckets of eight
 * records. A connection's bucket and tag follow from identity_hash(). Within its
 * bucket a new connection takes a free record or the oldest one, so what is lost in
 * a full table is old. All integers are in host byte order unless a line says so.
 *
 * A reader gets a copy of a bucket (BPF_MAP_LOOKUP_ELEM) or, when it may open the map
 * for writing, the memory itself (mmap). Writers wait for neither, so a copy may be
 * half old and half new: it counts only when its check is the one that
 * identity_check() computes of it. A record answers for a connection only when its
 * whole key is the one that was asked for: a tag is a hint. When two records have
 * the same key and namespace, the later one holds.
 */
#ifndef CONNPIN_IDENTITY_H
#define CONNPIN_IDENTITY_H

#include "port_tracker.h"

#define IDENTITY_VERSION 1
#define IDENTITY_WAYS 8 /* records of a bucket */

/* One for each entry of the connection table, and the header. */
#define IDENTITY_ENTRIES ((CONN_V4_ENTRIES + CONN_V6_ENTRIES) / IDENTITY_WAYS + 1)

#define IDENTITY_COMM_BYTES 16 /* TASK_COMM_LEN of include/linux/sched.h */

/* 88 bytes, so that all of it stays under 8 MB at the default capacities. */
struct conn_identity {
	__u32 check;		/* identity_check() of the record; odd: it is being written */
	__u32 netns;		/* of the socket: the inode number of its namespace */
	struct conn_key_v6 key; /* IPv4 destinations as ::ffff:a.b.c.d */
	__u32 pid;		/* the process, as in conn_to_pid_* */
	__u32 tid;		/* its thread that connected or sent first */
	__u32 uid;		/* real user and group, as the initial namespace has them */
	__u32 gid;
	__u64 start_time;		/* of the process, ns since boot, suspended time included */
	__u64 time;			/* of the connect or the first datagram, same clock */
	__u64 cgroup_id;		/* of the process in cgroup v2: the inode number */
	char comm[IDENTITY_COMM_BYTES]; /* of the process, not of the thread; NUL-ended */
};

#define IDENTITY_STAMP_SHIFT 20	  /* a stamp counts 2^20 ns, a millisecond */
#define IDENTITY_STAMP_SLACK 1024 /* how much later than it says one may be written */

struct identity_bucket {
	__u32 tag[IDENTITY_WAYS];   /* of each record; 0: free */
	__u32 stamp[IDENTITY_WAYS]; /* when it was written, in 2^20 ns, wraps */
	struct conn_identity way[IDENTITY_WAYS];
};

/* Entry 0. All 0 until something was recorded. */
struct identity_header {
	__u32 version; /* IDENTITY_VERSION */
	__u32 buckets; /* entries 1 to this are buckets */
	__u64 seed;    /* of the hash, random, never 0 */
};

_Static_assert(sizeof(struct conn_identity) == 88, "a new layout needs a new version");
_Static_assert(sizeof(struct identity_bucket) == 768, "a new layout needs a new version");

/*
 * The hash of a key: 64 bits, of which the upper half chooses the bucket and the
 * lower half is the tag. Multiply and fold, three times; the seed keeps strangers
 * from choosing ports that push somebody's record out. All 24 bytes count.
 */
static inline __u64 identity_hash(const struct conn_key_v6 *key, __u64 seed)
{
	__u64 h = seed;

	h ^= (__u64)key->dst_ip[0] << 32 | key->dst_ip[1];
	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 32;
	h ^= (__u64)key->dst_ip[2] << 32 | key->dst_ip[3];
	h *= 0xd6e8feb86659fd93ULL;
	h ^= h >> 32;
	h ^= (__u64)key->src_port << 32 | (__u64)key->dst_port << 8 | key->protocol;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 29;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 32;
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

#endif

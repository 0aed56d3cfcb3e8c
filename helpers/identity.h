/* SPDX-License-Identifier: MIT */
/* The identity table as the helpers read it: bpf/identity.h says what is in it. */
#ifndef CONNPIN_HELPERS_IDENTITY_H
#define CONNPIN_HELPERS_IDENTITY_H

#include "../bpf/identity.h"

#include "clock.h"
#include "conn.h"

#include <stdbool.h>
#include <stddef.h>

struct identity_table {
	int fd;		     /* of the map; -1: not open */
	unsigned long inode; /* of the pin */
	const void *memory;  /* the map itself; NULL: read by system calls */
	size_t size;	     /* of the memory, bytes */
	__u32 buckets;	     /* 0: nothing was recorded yet */
	__u64 seed;
};

/*
 * Open the table. WANT_MEMORY maps it, where the pin may be opened for writing. 0, or
 * -errno without a message: -ENOENT when there is none, -EPROTO for another version.
 */
int identity_open(struct identity_table *table, bool want_memory);

void identity_close(struct identity_table *table);

/*
 * For a reader that stays: the table that is pinned now, and what was recorded for
 * the first time meanwhile. Without a pin the old one stays open.
 */
void identity_refresh(struct identity_table *table, bool want_memory);

/* What a connection is looked for by. */
struct identity_query {
	struct conn_key_v6 key; /* IPv4 as ::ffff:a.b.c.d */
	__u64 hash;
};

/* The connection of a key of the table: the other way round. */
void identity_conn(struct conn *conn, const struct conn_key_v6 *key);

void identity_query(struct identity_query *query, const struct identity_table *table,
		    const struct conn *conn);

/*
 * For who asks many at once: bring the head of a query's bucket closer, and some
 * queries later the record. Nothing where the table is not memory.
 */
void identity_prefetch_bucket(const struct identity_table *table,
			      const struct identity_query *query);
void identity_prefetch_record(const struct identity_table *table,
			      const struct identity_query *query);

/*
 * All that is known of a connection, one record for each network namespace, the
 * latest first. The number of them, or -errno.
 */
int identity_find(const struct identity_table *table, const struct identity_query *query,
		  struct conn_identity found[IDENTITY_WAYS]);

/*
 * The one record of QUERY, copied. False when the table is not memory or the answer not
 * that simple: none, several, one that is being written. Then identity_find() knows.
 */
bool identity_find_only(const struct identity_table *table, const struct identity_query *query,
			struct conn_identity *record);

/* Whole seconds from the connect or the first datagram to NOW, of CLOCK_BOOTTIME. */
static inline uint64_t identity_age(const struct conn_identity *identity, uint64_t now)
{
	return now > identity->time ? (now - identity->time) / NS_PER_SECOND : 0;
}

/*
 * Copy a record, in pieces that compilers turn into moves: a call of musl's memcpy() for
 * 88 bytes takes longer than all the rest of a look-up.
 */
static inline void identity_copy(struct conn_identity *to, const struct conn_identity *from)
{
	char *p = (char *)to;
	const char *q = (const char *)from;

	__builtin_memcpy(p, q, 32);
	__builtin_memcpy(p + 32, q + 32, 32);
	__builtin_memcpy(p + 64, q + 64, sizeof(*to) - 64);
	/* What is looked at from here on is the copy: FROM may be changing. */
	__asm__ volatile("" ::: "memory");
}

#endif

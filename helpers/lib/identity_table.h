/* SPDX-License-Identifier: MIT */
/* The identity table as the helpers read it: bpf/identity.h says what is in it. */
#ifndef CONNPIN_LIB_IDENTITY_TABLE_H
#define CONNPIN_LIB_IDENTITY_TABLE_H

#include "../../bpf/identity.h"

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
	__u64 seed[2];
	const struct identity_header *header; /* the map's, or the copy that was made last */
	struct identity_header copy;
};

/*
 * Open the table. WANT_MEMORY maps it, where the pin may be opened for writing. 0, or
 * -errno without a message: -ENOENT when there is none, -EPROTO for another version.
 */
int identity_open(struct identity_table *table, bool want_memory);

void identity_close(struct identity_table *table);

/*
 * For a reader that stays: the table that is pinned now, and what its header says
 * by now. Without a pin the old one stays open.
 */
void identity_refresh(struct identity_table *table, bool want_memory);

/* What a connection is looked for by. */
struct identity_query {
	struct conn_key_v6 key;
	__u64 hash;
	struct conn_source source;
};

/* The connection that a record is of. */
struct conn identity_conn(const struct conn_identity *record);

/* Of CONN from any source. */
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
 * All that is known of a connection, whatever its source, one record for each network
 * namespace and source address, the latest first; those of nobody among them, and as such
 * those that are outdated. The number of them, or -errno.
 */
int identity_find(const struct identity_table *table, const struct identity_query *query,
		  struct conn_identity found[IDENTITY_WAYS]);

/*
 * The one record of QUERY, copied. False when the table is not memory or the answer not
 * that simple: none, several, one that is being written. Then identity_find() knows.
 */
bool identity_find_only(const struct identity_table *table, const struct identity_query *query,
			struct conn_identity *record);

/* Whether the port may be another socket's by now: see struct identity_header. */
bool identity_is_outdated(const struct identity_table *table, const struct conn_identity *record);

/* The two that every record has to compare. */
static inline bool identity_has_source(const struct conn_identity *record)
{
	return record->src_ip[0] | record->src_ip[1] | record->src_ip[2] | record->src_ip[3];
}

static inline bool identity_is_from(const struct conn_identity *record,
				    const struct conn_source *source)
{
	__u64 a[2], b[2];

	__builtin_memcpy(a, record->src_ip, sizeof(a));
	__builtin_memcpy(b, &source->address, sizeof(b));
	return a[0] == b[0] && a[1] == b[1];
}

/* Whole seconds from the connect or the first datagram to NOW, of CLOCK_BOOTTIME. */
static inline uint64_t identity_age(const struct conn_identity *identity, uint64_t now)
{
	return now > identity->time ? (now - identity->time) / NS_PER_SECOND : 0;
}

/*
 * Copy a record, in pieces that compilers turn into moves: a call of musl's memcpy() for
 * 128 bytes takes longer than all the rest of a look-up.
 */
static inline void identity_copy(struct conn_identity *to, const struct conn_identity *from)
{
	char *p = (char *)to;
	const char *q = (const char *)from;

	__builtin_memcpy(p, q, 32);
	__builtin_memcpy(p + 32, q + 32, 32);
	__builtin_memcpy(p + 64, q + 64, 32);
	__builtin_memcpy(p + 96, q + 96, sizeof(*to) - 96);
	/* What is looked at from here on is the copy: FROM may be changing. */
	__asm__ volatile("" ::: "memory");
}

#endif

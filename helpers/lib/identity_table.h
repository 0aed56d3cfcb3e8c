/* SPDX-License-Identifier: MIT */
/*
 * The identity tables, the maps conn_identity and conn_identity_in, as the helpers read them. Their
 * layout, and how a reader tells a record that is whole from one that is being written, are in
 * bpf/identity.h.
 */
#ifndef CONNPIN_LIB_IDENTITY_TABLE_H
#define CONNPIN_LIB_IDENTITY_TABLE_H

#include "../../bpf/identity.h"

#include "clock.h"
#include "conn.h"

#include <stdbool.h>
#include <stddef.h>

#define IDENTITY_OUT_MAP "conn_identity"
#define IDENTITY_IN_MAP "conn_identity_in"

struct identity_table {
	const char *map;		      /* its name */
	int fd;				      /* of the map; -1: not open */
	unsigned long inode;		      /* of the pin, when the table was opened */
	const void *memory;		      /* the mapped map; NULL: it is read by system calls */
	size_t size;			      /* of the memory, in bytes */
	__u32 buckets;			      /* 0: nothing has been recorded yet */
	__u64 seed[2];			      /* of the hash */
	const struct identity_header *header; /* in the memory, or the copy below */
	struct identity_header copy;
};

/*
 * Open the table that MAP is, and with WANT_MEMORY map it where the caller may open the pin for
 * writing. 0, or -errno without a message: -ENOENT when there is none, -EPROTO when it has another
 * version. A table that could not be opened is empty for the functions below.
 */
int identity_open(struct identity_table *table, const char *map, bool want_memory);

void identity_close(struct identity_table *table);

/*
 * For a reader that stays: open the table that is pinned now, if it is another one, and read
 * its header again. When nothing is pinned the old table stays open.
 */
void identity_refresh(struct identity_table *table, bool want_memory);

/* Copy bucket N, from 1 to table->buckets. 0 or -errno. */
int identity_bucket(const struct identity_table *table, __u32 n, struct identity_bucket *bucket);

/* A connection to look for in a table. */
struct identity_query {
	struct conn_key_v6 key;
	__u64 hash;
	struct conn_source source;
};

/* The connection that a record is of. */
struct conn identity_conn(const struct conn_identity *record);

/* Make a query for CONN from any source, with the hash that the seed of TABLE gives. */
void identity_query(struct identity_query *query, const struct identity_table *table,
		    const struct conn *conn);

/*
 * Have the processor fetch the head of a query's bucket, and some time later, when that has
 * arrived, the record. They do nothing when the table is not mapped.
 */
void identity_prefetch_bucket(const struct identity_table *table,
			      const struct identity_query *query);
void identity_prefetch_record(const struct identity_table *table,
			      const struct identity_query *query);

/*
 * Find all records of a connection, whatever its source: one for each network namespace and
 * source address, the latest first. A record with the PID 0 says that the owner is not known;
 * a record that is outdated gets this PID. Returns the number of records, or -errno.
 */
int identity_find(const struct identity_table *table, const struct identity_query *query,
		  struct conn_identity found[IDENTITY_WAYS]);

/*
 * Copy the only record of a connection. False when the table is not mapped, and when there is
 * no record, more than one, or one that is being written: then identity_find() is to be
 * asked.
 */
bool identity_find_only(const struct identity_table *table, const struct identity_query *query,
			struct conn_identity *record);

/*
 * Whether a record of the connection may be in the table: false only when it is certain that
 * there is none.
 */
bool identity_may_have(const struct identity_table *table, const struct identity_query *query);

/* Whether the connection is seen to be open: its end would have been recorded. */
static inline bool identity_is_open(const struct conn_identity *record)
{
	return record->kind & IDENTITY_WATCHED && !record->ended;
}

/* Whether another socket may have the source port now: see struct identity_header. */
bool identity_is_outdated(const struct identity_table *table, const struct conn_identity *record);

/* Whether the socket had a source address when it connected or sent. */
static inline bool identity_has_source(const struct conn_identity *record)
{
	return record->src_ip[0] | record->src_ip[1] | record->src_ip[2] | record->src_ip[3];
}

/* Whether the source address is the one that is asked for. */
static inline bool identity_is_from(const struct conn_identity *record,
				    const struct conn_source *source)
{
	__u64 a[2], b[2];

	__builtin_memcpy(a, record->src_ip, sizeof(a));
	__builtin_memcpy(b, &source->address, sizeof(b));
	return a[0] == b[0] && a[1] == b[1];
}

/* Whole seconds from the connect or the first datagram to NOW, which is boot_time(). */
static inline uint64_t identity_age(const struct conn_identity *identity, uint64_t now)
{
	return now > identity->time ? (now - identity->time) / NS_PER_SECOND : 0;
}

/*
 * Copy a record in pieces that compilers turn into moves: a call of musl's memcpy() for 160
 * bytes takes longer than all the rest of finding it.
 */
static inline void identity_copy(struct conn_identity *to, const struct conn_identity *from)
{
	char *p = (char *)to;
	const char *q = (const char *)from;

	__builtin_memcpy(p, q, 32);
	__builtin_memcpy(p + 32, q + 32, 32);
	__builtin_memcpy(p + 64, q + 64, 32);
	__builtin_memcpy(p + 96, q + 96, 32);
	__builtin_memcpy(p + 128, q + 128, sizeof(*to) - 128);
	/* The compiler must not read FROM again instead of the copy: a writer may change it. */
	__asm__ volatile("" ::: "memory");
}

#endif

// SPDX-License-Identifier: MIT
#include "identity_table.h"

#include "bpf.h"
#include "pins.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * How often a bucket is read again because a record in it is being written. Writing one takes
 * 0.1 us, unless the writer loses its CPU in the middle.
 */
#define ATTEMPTS 64

/* Entry N of the map: in the memory, or copied to *COPY. NULL with errno set. */
static const void *entry(const struct identity_table *table, __u32 n, struct identity_bucket *copy)
{
	int rc;

	if (table->memory)
		return (const struct identity_bucket *)table->memory + n;
	rc = bpf_lookup(table->fd, &n, copy);
	if (rc) {
		errno = -rc;
		return NULL;
	}
	return copy;
}

int identity_bucket(const struct identity_table *table, __u32 n, struct identity_bucket *bucket)
{
	const void *found = entry(table, n, bucket);

	if (!found)
		return -errno;
	if (found != bucket)
		memcpy(bucket, found, sizeof(*bucket));
	return 0;
}

static int read_header(struct identity_table *table)
{
	struct identity_bucket copy;
	const struct identity_header *header = entry(table, 0, &copy);

	if (!header)
		return -errno;
	if (!table->memory) {
		table->copy = *header;
		header = &table->copy;
	}
	table->header = header;
	/*
	 * The writer sets both halves of the seed last, in this order, each by an atomic
	 * exchange, and never again: a reader that sees them sees the rest of the header.
	 */
	table->seed[0] = __atomic_load_n(&header->seed[0], __ATOMIC_ACQUIRE);
	table->seed[1] = __atomic_load_n(&header->seed[1], __ATOMIC_ACQUIRE);
	if (!table->seed[0] || !table->seed[1])
		return 0;
	if (header->version != IDENTITY_VERSION)
		return -EPROTO;
	table->buckets = header->buckets;
	/* Whatever the header says, nothing behind the end of the memory is read. */
	if (table->memory && table->buckets >= table->size / sizeof(struct identity_bucket))
		return -EPROTO;
	return 0;
}

bool identity_is_outdated(const struct identity_table *table, const struct conn_identity *record)
{
	const struct identity_header *header = table->header;
	struct conn_key_v6 key;

	if (record->protocol != 17)
		return false;
	/* unseen_last is written after unseen[], so a reader that sees it sees the other. */
	if (__atomic_load_n(&header->unseen_last, __ATOMIC_ACQUIRE) <= record->time)
		return false;
	memcpy(&key, record->dst_ip, sizeof(key));
	return __atomic_load_n(&header->unseen[identity_unseen(&key, table->seed)],
			       __ATOMIC_RELAXED) > record->time;
}

static void map_memory(struct identity_table *table)
{
	__u32 entries = bpf_map_entries(table->fd);
	void *memory;

	if (!entries)
		return;
	table->size = entries * sizeof(struct identity_bucket);
	memory = mmap(NULL, table->size, PROT_READ, MAP_SHARED, table->fd, 0);
	table->memory = memory == MAP_FAILED ? NULL : memory;
}

int identity_open(struct identity_table *table, const char *map, bool want_memory)
{
	int rc;

	*table = (struct identity_table) { .map = map, .fd = -1 };
	table->inode = map_inode(map);
	/* The kernel maps a descriptor only if it is for writing, even to read alone. */
	if (want_memory)
		table->fd = open_map(map, 0);
	if (table->fd >= 0)
		map_memory(table);
	else
		table->fd = open_map(map, BPF_F_RDONLY);
	if (table->fd < 0)
		return table->fd;
	rc = read_header(table);
	if (rc)
		identity_close(table);
	return rc;
}

void identity_close(struct identity_table *table)
{
	if (table->memory)
		munmap((void *)table->memory, table->size);
	if (table->fd >= 0)
		close(table->fd);
	*table = (struct identity_table) { .map = table->map, .fd = -1 };
}

void identity_refresh(struct identity_table *table, bool want_memory)
{
	unsigned long inode = map_inode(table->map);
	struct identity_table fresh;

	if (inode && (table->fd < 0 || inode != table->inode)) {
		if (identity_open(&fresh, table->map, want_memory))
			return;
		identity_close(table);
		*table = fresh;
		if (!table->memory)
			table->header = &table->copy;
	} else if (table->fd >= 0 && (!table->buckets || !table->memory) && read_header(table)) {
		identity_close(table);
	}
}

void identity_query(struct identity_query *query, const struct identity_table *table,
		    const struct conn *conn)
{
	query->source.is_asked = false;
	query->key = conn_key_v6(conn);
	query->hash = identity_hash(&query->key, table->seed);
}

struct conn identity_conn(const struct conn_identity *record)
{
	return (struct conn) { .dst = address_from_v6(record->dst_ip),
			       .src_port = record->src_port,
			       .dst_port = record->dst_port,
			       .protocol = record->protocol };
}

/* The query's bucket in the memory, or NULL when the table is not mapped or empty. */
static const struct identity_bucket *bucket_of(const struct identity_table *table,
					       const struct identity_query *query)
{
	if (!table->memory || !table->buckets)
		return NULL;
	return (const struct identity_bucket *)table->memory +
	       identity_index(query->hash, table->buckets);
}

void identity_prefetch_bucket(const struct identity_table *table,
			      const struct identity_query *query)
{
	__builtin_prefetch(bucket_of(table, query));
}

/*
 * The records whose tag is the query's, as a bit each. There is no branch in the loop because
 * the processor could not predict it.
 */
static inline unsigned tagged(const struct identity_bucket *bucket,
			      const struct identity_query *query)
{
	__u32 tag = identity_tag(query->hash);
	unsigned ways = 0;

#pragma GCC unroll 8
	for (unsigned i = 0; i < IDENTITY_WAYS; i++)
		ways |= (unsigned)(*(const volatile __u32 *)&bucket->tag[i] == tag) << i;
	return ways;
}

void identity_prefetch_record(const struct identity_table *table,
			      const struct identity_query *query)
{
	const struct identity_bucket *bucket = bucket_of(table, query);
	unsigned ways = bucket ? tagged(bucket, query) : 0;

	for (; ways; ways &= ways - 1) {
		const struct conn_identity *record = &bucket->way[__builtin_ctz(ways)];

		__builtin_prefetch(record);
		__builtin_prefetch((const char *)(record + 1) - 1);
	}
}

bool identity_may_have(const struct identity_table *table, const struct identity_query *query)
{
	const struct identity_bucket *bucket = bucket_of(table, query);

	if (table->fd < 0 || !table->buckets)
		return false;
	return !bucket || tagged(bucket, query);
}

static bool has_key(const struct conn_identity *record, const struct conn_key_v6 *key)
{
	__u64 x[2], y[2];

	memcpy(x, record->dst_ip, sizeof(x));
	memcpy(y, key, sizeof(y));
	return x[0] == y[0] && x[1] == y[1] && record->src_port == key->src_port &&
	       record->dst_port == key->dst_port && record->protocol == key->protocol;
}

/* Whether two records of one connection are of the same socket, so that the later one holds. */
static bool is_same(const struct conn_identity *a, const struct conn_identity *b)
{
	return a->netns_cookie == b->netns_cookie && a->flags == b->flags &&
	       memcmp(a->src_ip, b->src_ip, sizeof(a->src_ip)) == 0;
}

/*
 * Insert a record into the COUNT that were found, which are in the order of time, the latest
 * first. Of records that are the same only the latest stays. Returns the new count.
 */
static int insert(struct conn_identity *found, int count, const struct conn_identity *record)
{
	int at = 0;

	for (int i = 0; i < count; i++) {
		if (!is_same(&found[i], record))
			continue;
		if (found[i].time >= record->time)
			return count;
		memmove(found + i, found + i + 1, (size_t)(count - i - 1) * sizeof(*found));
		count--;
		break;
	}
	while (at < count && found[at].time > record->time)
		at++;
	if (at < count)
		memmove(found + at + 1, found + at, (size_t)(count - at) * sizeof(*found));
	identity_copy(&found[at], record);
	return count + 1;
}

/* Search a bucket. 0, or 1 when a record that may be of the connection is being written. */
static int search(const struct identity_bucket *bucket, const struct identity_query *query,
		  struct conn_identity *found, int *count)
{
	unsigned ways = tagged(bucket, query);
	struct conn_identity copy;

	*count = 0;
	for (; ways; ways &= ways - 1) {
		identity_copy(&copy, &bucket->way[__builtin_ctz(ways)]);
		if (identity_check(&copy) != copy.check)
			return 1;
		if (has_key(&copy, &query->key))
			*count = insert(found, *count, &copy);
	}
	return 0;
}

int identity_find(const struct identity_table *table, const struct identity_query *query,
		  struct conn_identity found[IDENTITY_WAYS])
{
	const struct identity_bucket *bucket;
	struct identity_bucket copy;
	int count = 0;

	if (table->fd < 0 || !table->buckets)
		return 0;
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		bucket = entry(table, identity_index(query->hash, table->buckets), &copy);
		if (!bucket)
			return -errno;
		if (!search(bucket, query, found, &count))
			break;
		__asm__ volatile("" ::: "memory");
	}
	/* After the last attempt these are the records in front of the one being written. */
	for (int i = 0; i < count; i++)
		if (identity_is_outdated(table, &found[i]))
			found[i].pid = 0;
	return count;
}

bool identity_find_only(const struct identity_table *table, const struct identity_query *query,
			struct conn_identity *record)
{
	const struct identity_bucket *bucket = bucket_of(table, query);
	unsigned ways = bucket ? tagged(bucket, query) : 0;

	if (!ways || ways & (ways - 1))
		return false;
	identity_copy(record, &bucket->way[__builtin_ctz(ways)]);
	return identity_check(record) == record->check && has_key(record, &query->key);
}

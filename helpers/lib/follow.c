// SPDX-License-Identifier: MIT
/*
 * The BPF programs send no events, so a follower looks at the identity table ten times a
 * second. It compares the times at the head of each bucket, 1.3 MB in all, and reads the
 * records that are new by them. A record that is overwritten between two looks is missed:
 * that takes eight new connections in one bucket.
 */
#include "follow.h"

#include "bpf.h"
#include "list.h"
#include "pins.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define INTERVAL_NS 100000000
#define BATCH 128 /* buckets that one system call copies */

struct follower {
	const struct entry_filter *filter;
	bool json;
	struct identity_table table;
	__u64 started;		     /* records that are older are not printed */
	__u64 *seen;		     /* for each record of the table: its time when last seen */
	struct conn_identity *fresh; /* records that this look found new */
	size_t fresh_count;
	size_t records;	     /* how many both arrays have room for */
	unsigned long inode; /* of the pin of the table that they were made for */
	__u64 since;	     /* records that were written before it have been seen */
};

static int fail(int rc)
{
	warn_parts("cannot read the identity table: ", strerror(-rc), NULL);
	return EXIT_UNAVAILABLE;
}

static void *pages(size_t count, size_t size)
{
	void *memory = mmap(NULL, count * size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* When what is waited for happened to the connection: it began, or it ended. 0: not yet. */
static __u64 event_time(const struct follower *f, const struct conn_identity *record)
{
	if (f->filter->state != STATE_CLOSED)
		return record->time;
	return record->ended ? record->time + record->duration : 0;
}

static bool is_followed(const struct follower *f, const struct conn_identity *record)
{
	const struct entry_filter *filter = f->filter;

	if (!(record->kind & IDENTITY_IN))
		return true;
	return entry_is_listener(record) ? filter->want_listeners : filter->want_in;
}

static void look_at_bucket(struct follower *f, const struct identity_bucket *bucket, __u32 n)
{
	struct conn_identity copy;
	__u64 time;

	for (unsigned way = 0; way < IDENTITY_WAYS; way++) {
		__u64 *seen = &f->seen[(size_t)(n - 1) * IDENTITY_WAYS + way];

		/*
		 * Most records have been seen: their times tell that without reading them. A
		 * reply is no connection.
		 */
		if (!bucket->tag[way] || bucket->time[way] < f->since ||
		    bucket->time[way] & IDENTITY_REPLY)
			continue;
		identity_copy(&copy, &bucket->way[way]);
		/* A record that is being written now is whole at the next look. */
		if (identity_check(&copy) != copy.check)
			continue;
		time = event_time(f, &copy);
		if (time == *seen || time < f->started)
			continue;
		*seen = time;
		if (!copy.pid || !is_followed(f, &copy))
			continue;
		f->fresh[f->fresh_count++] = copy;
	}
}

static int look_at_copies(struct follower *f)
{
	static struct identity_bucket buckets[BATCH];
	static __u32 keys[BATCH];
	__u64 cursor = 0;
	const void *in = NULL;
	__u32 count;
	int rc;

	do {
		count = BATCH;
		rc = bpf_lookup_batch(f->table.fd, in, &cursor, keys, buckets, &count);
		if (rc && rc != -ENOENT)
			return rc;
		for (__u32 i = 0; i < count; i++)
			if (keys[i] >= 1 && keys[i] <= f->table.buckets)
				look_at_bucket(f, &buckets[i], keys[i]);
		in = &cursor;
	} while (rc == 0);
	return 0;
}

static int look(struct follower *f)
{
	/* A second is taken off, for a writer that lost its CPU before it ended its record. */
	__u64 now = boot_time() - NS_PER_SECOND;
	int rc = 0;

	f->fresh_count = 0;
	if (f->table.memory)
		for (__u32 n = 1; n <= f->table.buckets; n++)
			look_at_bucket(f, (const struct identity_bucket *)f->table.memory + n, n);
	else
		rc = look_at_copies(f);
	f->since = now;
	return rc;
}

/* In the order in which they began or ended; duration is 0 while a connection is open. */
static int by_time(const void *a, const void *b)
{
	const struct conn_identity *x = a, *y = b;
	__u64 p = x->time + x->duration, q = y->time + y->duration;

	return (p > q) - (p < q);
}

static void print_fresh(struct follower *f)
{
	__u64 now = boot_time();

	qsort(f->fresh, f->fresh_count, sizeof(*f->fresh), by_time);
	entry_forget_processes();
	for (size_t i = 0; i < f->fresh_count; i++) {
		struct answer entry;

		answer_of_record(&entry, &f->fresh[i]);
		if (entry_is_wanted(f->filter, &entry))
			entry_print(&entry, f->json, now);
	}
}

/* Make arrays for the table that is open, unless those that are there were made for it. */
static int make_room(struct follower *f)
{
	size_t records = (size_t)f->table.buckets * IDENTITY_WAYS;

	if (records == f->records && f->table.inode == f->inode)
		return 0;
	if (f->records) {
		munmap(f->seen, f->records * sizeof(*f->seen));
		munmap(f->fresh, f->records * sizeof(*f->fresh));
	}
	f->records = 0;
	f->seen = pages(records, sizeof(*f->seen));
	f->fresh = pages(records, sizeof(*f->fresh));
	if (!f->seen || !f->fresh)
		return -ENOMEM;
	f->records = records;
	f->inode = f->table.inode;
	f->since = 0;
	return 0;
}

/* Print what is new in one table. 0 or -errno. */
static int follow_table(struct follower *f)
{
	int rc;

	if (!f->table.buckets)
		return 0;
	rc = make_room(f);
	if (!rc)
		rc = look(f);
	if (!rc)
		print_fresh(f);
	return rc;
}

int follow(const struct entry_filter *filter, bool json)
{
	struct follower out = { .filter = filter, .json = json, .started = boot_time() }, in = out;
	bool want_in = filter->want_in || filter->want_listeners;
	bool want_out = filter->want_out || !want_in;
	int rc = identity_open(&out.table, IDENTITY_OUT_MAP, true);

	if (rc)
		return open_map_or_warn(IDENTITY_OUT_MAP) < 0 ? EXIT_UNAVAILABLE : fail(rc);
	if (want_in)
		(void)identity_open(&in.table, IDENTITY_IN_MAP, true);
	for (;;) {
		if (list_check(filter, &in.table))
			return EXIT_UNAVAILABLE;
		rc = want_out ? follow_table(&out) : 0;
		if (!rc && want_in)
			rc = follow_table(&in);
		if (rc)
			return fail(rc);
		if (out_flush())
			return finish(EXIT_UNAVAILABLE);
		(void)nanosleep(&(struct timespec) { .tv_nsec = INTERVAL_NS }, NULL);
		identity_refresh(&out.table, true);
		if (want_in)
			identity_refresh(&in.table, true);
	}
}

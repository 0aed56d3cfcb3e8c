// SPDX-License-Identifier: MIT
/*
 * Both maps are read in batches: 65,536 entries take a few hundred system calls. An entry
 * that is written while its map is read may be missing, or old.
 */
#include "list.h"

#include "bpf.h"
#include "directories.h"
#include "feature_file.h"
#include "pins.h"
#include "text.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

/*
 * Entries of a batch. The kernel copies whole buckets of its hash table, so the fullest must
 * fit (else -ENOSPC); with as many buckets as entries that is a handful.
 */
#define BATCH 1024

struct listing {
	const struct identity_table *identities;
	const struct entry_filter *filter;
	bool json;
	void (*begin)(void); /* NULL: it has been called, or there is none */
	uint64_t now;
};

static void print_if_wanted(const struct listing *listing, const struct answer *entry)
{
	if (entry_is_wanted(listing->filter, entry))
		entry_print(entry, listing->json, listing->now);
}

/*
 * List the records that the identity table has of CONN, and the PID of its entry too when
 * no record has it, because that record was overwritten.
 */
static void list_conn(const struct listing *listing, const struct conn *conn, conn_pid pid)
{
	struct conn_identity found[IDENTITY_WAYS];
	struct identity_query query;
	struct answer entry;
	bool is_known = false;
	int count;

	identity_query(&query, listing->identities, conn);
	count = identity_find(listing->identities, &query, found);
	for (int i = 0; i < count; i++) {
		is_known |= found[i].pid == pid;
		if (!found[i].pid)
			continue;
		answer_of_record(&entry, &found[i]);
		print_if_wanted(listing, &entry);
	}
	if (!is_known) {
		entry = (struct answer) { .conn = *conn, .pid = pid, .matches = 1 };
		print_if_wanted(listing, &entry);
	}
}

static int list_map(struct listing *listing, int map, bool is_v4)
{
	static union {
		struct conn_key_v4 v4[BATCH];
		struct conn_key_v6 v6[BATCH];
	} keys;
	static conn_pid pids[BATCH];
	__u64 cursor = 0;
	const void *in = NULL;
	__u32 count;
	int rc;

	listing->now = boot_time();
	do {
		count = BATCH;
		rc = bpf_lookup_batch(map, in, &cursor, &keys, pids, &count);
		if (rc && rc != -ENOENT)
			return rc;
		if (listing->begin)
			listing->begin();
		listing->begin = NULL;
		for (__u32 i = 0; i < count; i++) {
			struct conn conn =
				is_v4 ? conn_of_key_v4(&keys.v4[i]) : conn_of_key_v6(&keys.v6[i]);

			list_conn(listing, &conn, pids[i]);
		}
		in = &cursor;
	} while (rc == 0);
	return out_flush();
}

/* --- what was accepted, and who listens ---------------------------------------- */

static void list_bucket(const struct listing *listing, const struct identity_bucket *bucket)
{
	const struct entry_filter *filter = listing->filter;
	struct conn_identity copy;
	struct answer entry;

	for (int i = 0; i < IDENTITY_WAYS; i++) {
		if (!bucket->tag[i])
			continue;
		identity_copy(&copy, &bucket->way[i]);
		/* A record that is being written is whole the next time. */
		if (identity_check(&copy) != copy.check || !copy.pid)
			continue;
		if (entry_is_listener(&copy) ? !filter->want_listeners || copy.ended
					     : !filter->want_in)
			continue;
		answer_of_record(&entry, &copy);
		print_if_wanted(listing, &entry);
	}
}

static int list_inbound(struct listing *listing, const struct identity_table *table)
{
	struct identity_bucket bucket;
	int rc;

	if (table->fd < 0)
		return 0;
	listing->now = boot_time();
	for (__u32 n = 1; n <= table->buckets; n++) {
		rc = identity_bucket(table, n, &bucket);
		if (rc)
			return rc;
		list_bucket(listing, &bucket);
	}
	return out_flush();
}

/* --- whether it is recorded ----------------------------------------------------- */

static int not_recorded(const char *what)
{
	warn_parts(what, " not recorded here: ", status_command(), " says why", NULL);
	return -ENOENT;
}

/* The table could not be opened: say why. */
static int no_inbound(const char *what)
{
	int map = open_map(IDENTITY_IN_MAP, BPF_F_RDONLY);

	if (map == -ENOENT)
		return not_recorded(what);
	if (map < 0)
		return open_map_or_warn(IDENTITY_IN_MAP);
	close(map);
	/* Another build's, between an upgrade of the helpers and attach.sh. */
	warn_parts("cannot read the table of accepted connections: run ", attach_command(), NULL);
	return -EPROTO;
}

int list_check(const struct entry_filter *filter, const struct identity_table *inbound)
{
	const char *what = filter->want_in ? "accepted connections are" : "sockets that listen are";

	if (filter->state && feature_is_off("tcp_events"))
		return not_recorded("the state of connections is");
	if (!filter->want_in && !filter->want_listeners)
		return 0;
	if (inbound->fd < 0)
		return no_inbound(what);
	/* The map has its header alone. */
	if (bpf_map_entries(inbound->fd) == 1) {
		warn_parts(what, " not recorded here: the setting CONN_IN_ENTRIES is 0", NULL);
		return -ENOENT;
	}
	/* The one records who listens, and either who accepts. */
	if (feature_is_off("tcp_opens") && (!filter->want_in || feature_is_off("accepted")))
		return not_recorded(what);
	return 0;
}

int list_open(struct list *list, const struct entry_filter *filter)
{
	int rc = conn_open(&list->maps);

	/* Without the identity table the lines show the PID alone. */
	(void)identity_open(&list->identities, IDENTITY_OUT_MAP, true);
	(void)identity_open(&list->inbound, IDENTITY_IN_MAP, true);
	return rc ? rc : list_check(filter, &list->inbound);
}

int list_refresh(struct list *list, const struct entry_filter *filter)
{
	conn_reopen(&list->maps);
	identity_refresh(&list->identities, true);
	identity_refresh(&list->inbound, true);
	return list_check(filter, &list->inbound);
}

int list_print(const struct list *list, const struct entry_filter *filter, bool json,
	       void (*begin)(void))
{
	struct listing listing = {
		.identities = &list->identities, .filter = filter, .json = json, .begin = begin
	};
	int rc = 0;

	entry_forget_processes();
	if (filter->want_out || !(filter->want_in || filter->want_listeners)) {
		rc = list_map(&listing, list->maps.v4, true);
		if (!rc)
			rc = list_map(&listing, list->maps.v6, false);
	}
	if (rc || !(filter->want_in || filter->want_listeners))
		return rc;
	if (listing.begin)
		listing.begin();
	listing.begin = NULL;
	return list_inbound(&listing, &list->inbound);
}

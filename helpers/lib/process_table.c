// SPDX-License-Identifier: MIT
#include "process_table.h"

#include "bpf.h"
#include "pins.h"

#include <linux/bpf.h>
#include <unistd.h>

/* How often a bucket is read again because a record in it is being written. */
#define ATTEMPTS 16

static int fd = -1;
static __u32 buckets;
static unsigned long inode; /* of the pin that fd was opened by */

/* Open the table that is pinned now, which another build may have put in the place of the old one.
 */
static bool is_open(void)
{
	unsigned long now = map_inode("conn_process");

	if (fd >= 0 && now == inode)
		return true;
	if (fd >= 0)
		close(fd);
	inode = now;
	fd = open_map("conn_process", BPF_F_RDONLY);
	buckets = fd >= 0 ? bpf_map_entries(fd) : 0;
	return buckets > 0;
}

static bool is_of(const struct conn_process *record, const struct conn_identity *identity)
{
	return record->pid == identity->pid && record->start_time == identity->start_time &&
	       record->exec_id == identity->exec_id;
}

bool process_table_find(const struct conn_identity *identity, struct conn_process *record)
{
	struct process_bucket bucket;
	__u32 index;

	if (!is_open())
		return false;
	index = process_index(identity->pid, buckets);
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		bool is_torn = false;

		if (bpf_lookup(fd, &index, &bucket))
			return false;
		for (int i = 0; i < PROCESS_WAYS; i++) {
			const struct conn_process *way = &bucket.way[i];

			if (!is_of(way, identity))
				continue;
			is_torn = process_check(way) != way->check;
			if (is_torn)
				break;
			*record = *way;
			return true;
		}
		if (!is_torn)
			return false;
	}
	return false;
}

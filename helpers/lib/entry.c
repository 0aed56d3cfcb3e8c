// SPDX-License-Identifier: MIT
#include "entry.h"

#include "text.h"

#include <string.h>

#define CACHED_PROCESSES 1024 /* a power of 2 */

/* /proc is asked once for each process of a listing, not once for each connection. */
static struct {
	__u32 pid;
	enum process_status status;
	__u64 start_time;
} cache[CACHED_PROCESSES];

void entry_forget_processes(void)
{
	memset(cache, 0, sizeof(cache));
}

static enum process_status status_of(const struct answer *entry)
{
	unsigned slot = entry->pid & (CACHED_PROCESSES - 1);

	if (!entry->has_identity)
		return PROCESS_UNKNOWN;
	if (cache[slot].pid != entry->pid || cache[slot].start_time != entry->identity.start_time) {
		cache[slot].pid = entry->pid;
		cache[slot].start_time = entry->identity.start_time;
		cache[slot].status = process_status(&entry->identity);
	}
	return cache[slot].status;
}

bool entry_is_wanted(const struct entry_filter *filter, const struct answer *entry)
{
	const struct conn *conn = &entry->conn;

	if (filter->protocol && filter->protocol != conn->protocol)
		return false;
	if (filter->src_port && filter->src_port != conn->src_port)
		return false;
	if (filter->dst_port && filter->dst_port != conn->dst_port)
		return false;
	if (filter->pid && filter->pid != entry->pid)
		return false;
	if (filter->comm && (!entry->has_identity ||
			     strncmp(filter->comm, entry->identity.comm, IDENTITY_COMM_BYTES) != 0))
		return false;
	if (filter->state && (!entry->has_identity ||
			      (filter->state == STATE_OPEN ? !identity_is_open(&entry->identity)
							   : !entry->identity.ended)))
		return false;
	/* Whose a PID-only answer is can't be told, so it is shown to no user. */
	if (filter->has_uid && (!entry->has_identity || entry->identity.uid != filter->uid))
		return false;
	return !filter->has_dst || address_equal(&conn->dst, &filter->dst);
}

void entry_print(const struct answer *entry, bool json, uint64_t now)
{
	struct facts facts = { .answer = entry, .status = status_of(entry), .now = now };

	if (json) {
		answer_print_listed_json(&facts);
		out_str("\n");
	} else {
		answer_print_row(&facts);
	}
}

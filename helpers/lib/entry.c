// SPDX-License-Identifier: MIT
#include "entry.h"

#include "text.h"

#include <string.h>

#define CACHED_PROCESSES 1024 /* a power of 2 */

/* The status of a process is asked for once a listing, not once a connection. */
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

	if (filter->protocol && filter->protocol != conn_protocol(conn))
		return false;
	if (filter->src_port && filter->src_port != conn_src_port(conn))
		return false;
	if (filter->dst_port && filter->dst_port != conn_dst_port(conn))
		return false;
	if (filter->pid && filter->pid != entry->pid)
		return false;
	if (filter->comm && (!entry->has_identity ||
			     strncmp(filter->comm, entry->identity.comm, IDENTITY_COMM_BYTES) != 0))
		return false;
	/* A bare PID is nobody's. */
	if (filter->has_uid && (!entry->has_identity || entry->identity.uid != filter->uid))
		return false;
	return !filter->has_dst || conn_same_address(conn, &filter->dst);
}

static void member(const char *name, bool known, uint64_t value)
{
	out_str(name);
	if (known)
		out_u64(value);
	else
		out_str("null");
}

static void print_json(const struct answer *entry, uint64_t now)
{
	const struct conn_identity *identity = &entry->identity;
	bool known = entry->has_identity;

	answer_print_json_conn(entry);
	out_str(",\"status\":\"");
	out_str(process_status_name(status_of(entry)));
	out_str("\",\"comm\":");
	if (known)
		out_json(identity->comm, strnlen(identity->comm, IDENTITY_COMM_BYTES));
	else
		out_str("null");
	member(",\"tid\":", known, identity->tid);
	member(",\"uid\":", known, identity->uid);
	member(",\"gid\":", known, identity->gid);
	member(",\"cgroup_id\":", known, identity->cgroup_id);
	member(",\"netns\":", known, identity->netns);
	member(",\"netns_cookie\":", known && identity->netns_cookie, identity->netns_cookie);
	member(",\"start_time_ns\":", known, identity->start_time);
	answer_print_json_source(entry);
	member(",\"age_seconds\":", known, known ? identity_age(&entry->identity, now) : 0);
	out_str("}\n");
}

void entry_print(const struct answer *entry, bool json, uint64_t now)
{
	if (json) {
		print_json(entry, now);
		return;
	}
	conn_print_protocol(&entry->conn);
	out_str(" ");
	conn_print_address(&entry->conn);
	out_str(" ");
	out_u64(conn_src_port(&entry->conn));
	out_str(" ");
	out_u64(conn_dst_port(&entry->conn));
	out_str(" ");
	out_u64(entry->pid);
	out_str(" ");
	out_str(process_status_name(status_of(entry)));
	out_str(" ");
	/* Last, because it may have spaces in it. */
	if (entry->has_identity)
		out_escaped(entry->identity.comm,
			    strnlen(entry->identity.comm, IDENTITY_COMM_BYTES));
	else
		out_str("-");
	out_str("\n");
}

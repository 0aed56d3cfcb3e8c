// SPDX-License-Identifier: MIT
/*
 * Whether a socket is held is found out by the link on_read_held: it is read before the map,
 * and a record that it has not marked as closed is of a socket that was open then, or was
 * made since. Where the link can't be read, what is not marked is not known.
 */
#include "other_sockets.h"

#include "bpf.h"
#include "directories.h"
#include "feature_file.h"
#include "number.h"
#include "pins.h"
#include "text.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAP "other_sockets"
#define LINK "links/on_read_held"

const char *const other_kinds[OTHER_KINDS] = {
	[OTHER_ICMP] = "icmp",	     [OTHER_RAW] = "raw",	[OTHER_SCTP] = "sctp",
	[OTHER_UDPLITE] = "udplite", [OTHER_PACKET] = "packet", [OTHER_XDP] = "xdp",
	[OTHER_SMC] = "smc",	     [OTHER_VSOCK] = "vsock",	[OTHER_REST] = "other",
};

/* A socket as it is printed. */
struct other {
	const struct other_socket *record;
	enum { HELD, CLOSED, NOT_KNOWN } held;
	enum process_status status;
	uint64_t now;
};

/* --- the fields ------------------------------------------------------------- */

static void print_number(bool is_known, uint64_t n)
{
	if (is_known)
		out_u64(n);
	else
		out_str("null");
}

static void print_text(const char *text, size_t len)
{
	out_str("\"");
	out_escaped(text, len);
	out_str("\"");
}

static void print_word(const char *word)
{
	print_text(word, strlen(word));
}

static void print_kind(const struct other *o)
{
	print_word(other_kinds[o->record->kind]);
}

static void print_protocol(const struct other *o)
{
	print_number(!(o->record->flags & OTHER_NO_PROTOCOL), o->record->protocol);
}

static void print_family(const struct other *o)
{
	print_number(true, o->record->family);
}

static void print_pid(const struct other *o)
{
	print_number(true, o->record->pid);
}

static void print_status(const struct other *o)
{
	print_word(process_status_name(o->status));
}

static void print_comm(const struct other *o)
{
	print_text(o->record->comm, strnlen(o->record->comm, OTHER_COMM_BYTES));
}

static void print_uid(const struct other *o)
{
	print_number(true, o->record->uid);
}

static void print_gid(const struct other *o)
{
	print_number(true, o->record->gid);
}

static void print_cgroup_id(const struct other *o)
{
	print_number(true, o->record->cgroup_id);
}

static void print_start_time_ns(const struct other *o)
{
	print_number(true, o->record->start_time);
}

static void print_tid(const struct other *o)
{
	print_number(true, o->record->tid);
}

static void print_exe_device(const struct other *o)
{
	__u32 device = o->record->exe_device;

	print_number(o->record->exe_inode, makedev(device >> 20, device & 0xfffff));
}

static void print_exe_inode(const struct other *o)
{
	print_number(o->record->exe_inode, o->record->exe_inode);
}

static void print_netns(const struct other *o)
{
	print_number(true, o->record->netns);
}

static void print_netns_cookie(const struct other *o)
{
	print_number(o->record->netns_cookie, o->record->netns_cookie);
}

static void print_inode(const struct other *o)
{
	print_number(true, o->record->inode);
}

static void print_cookie(const struct other *o)
{
	print_number(o->record->cookie, o->record->cookie);
}

static void print_age_seconds(const struct other *o)
{
	uint64_t time = o->record->time;

	print_number(!(o->record->flags & OTHER_BEFORE),
		     o->now > time ? (o->now - time) / 1000000000 : 0);
}

static void print_held(const struct other *o)
{
	static const char *const words[] = { "true", "false", "null" };

	out_str(words[o->held]);
}

#define SOCKET(name_, print_)                             \
	{                                                 \
		.name = "\"" name_ "\":", .print = print_ \
	}

/* In the order in which they are printed. check-tables.sh compares the manual with it. */
static const struct {
	const char *name;
	void (*print)(const struct other *o);
} fields[] = {
	SOCKET("kind", print_kind),
	SOCKET("protocol", print_protocol),
	SOCKET("family", print_family),
	SOCKET("pid", print_pid),
	SOCKET("status", print_status),
	SOCKET("comm", print_comm),
	SOCKET("exe_device", print_exe_device),
	SOCKET("exe_inode", print_exe_inode),
	SOCKET("uid", print_uid),
	SOCKET("gid", print_gid),
	SOCKET("cgroup_id", print_cgroup_id),
	SOCKET("start_time_ns", print_start_time_ns),
	SOCKET("tid", print_tid),
	SOCKET("netns", print_netns),
	SOCKET("netns_cookie", print_netns_cookie),
	SOCKET("inode", print_inode),
	SOCKET("cookie", print_cookie),
	SOCKET("age_seconds", print_age_seconds),
	SOCKET("held", print_held),
};

static void print_json(const struct other *o)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		out_str(i ? "," : "{");
		out_str(fields[i].name);
		fields[i].print(o);
	}
	out_str("}\n");
}

/* The name comes last because there may be spaces in it. */
static void print_row(const struct other *o)
{
	static const char *const words[] = { " held ", " closed ", " - " };
	const struct other_socket *record = o->record;

	out_str(other_kinds[record->kind]);
	out_str(" ");
	if (record->flags & OTHER_NO_PROTOCOL)
		out_str("-");
	else
		out_u64(record->protocol);
	out_str(" ");
	out_u64(record->pid);
	out_str(" ");
	out_str(process_status_name(o->status));
	out_str(words[o->held]);
	out_escaped(record->comm, strnlen(record->comm, OTHER_COMM_BYTES));
	out_str("\n");
}

/* --- the map ---------------------------------------------------------------- */

bool others_fit(const struct entry_filter *filter)
{
	return !filter->protocol && !filter->has_dst && !filter->src_port && !filter->dst_port &&
	       !filter->state && !filter->want_out && !filter->want_in && !filter->want_listeners;
}

int others_open(void)
{
	if (feature_is_off("other_ip") && feature_is_off("other_families")) {
		warn_parts("sockets that are neither TCP nor UDP are not recorded here: ",
			   status_command(), " says why", NULL);
		return -ENOENT;
	}
	return open_map_or_warn(MAP);
}

/* Have the records of closed sockets marked. False: that can't be done here. */
static bool mark_closed(void)
{
	int fd = open_pin(LINK);
	char byte;
	bool is_done;

	if (fd < 0)
		return false;
	is_done = read(fd, &byte, 1) == 0;
	close(fd);
	return is_done;
}

static bool is_wanted(const struct entry_filter *filter, const struct other_socket *record)
{
	if (filter->pid && filter->pid != record->pid)
		return false;
	if (filter->comm && strncmp(filter->comm, record->comm, OTHER_COMM_BYTES) != 0)
		return false;
	return !filter->has_uid || filter->uid == record->uid;
}

/* Whether this is a record, and not one that is being written. */
static bool is_whole(const struct other_socket *record)
{
	return record->inode && record->kind < OTHER_KINDS && record->check == other_check(record);
}

static void print_bucket(const struct other_bucket *bucket, const struct entry_filter *filter,
			 bool json, bool is_marked, uint64_t now)
{
	for (int i = 0; i < OTHER_WAYS; i++) {
		const struct other_socket *record = &bucket->way[i];
		struct conn_identity maker = { .pid = record->pid,
					       .tid = record->tid,
					       .start_time = record->start_time };
		struct other o = { .record = record, .now = now };

		if (!is_whole(record) || !is_wanted(filter, record))
			continue;
		o.held = bucket->closed[i] == record->inode ? CLOSED : is_marked ? HELD : NOT_KNOWN;
		o.status = process_status(&maker);
		if (json)
			print_json(&o);
		else
			print_row(&o);
	}
}

int others_print(int map, const struct entry_filter *filter, bool json, void (*begin)(void))
{
	bool is_marked = mark_closed();
	struct other_bucket bucket;
	struct bpf_map_info info;
	int rc = bpf_map_info(map, &info);

	/* Another build's, between an upgrade of the helpers and attach.sh. */
	if (!rc && info.value_size != sizeof(bucket))
		rc = -EINVAL;
	for (__u32 i = 0; i < info.max_entries && !rc; i++) {
		rc = bpf_lookup(map, &i, &bucket);
		if (rc)
			break;
		if (begin)
			begin();
		begin = NULL;
		print_bucket(&bucket, filter, json, is_marked, boot_time());
	}
	return rc ? rc : out_flush();
}

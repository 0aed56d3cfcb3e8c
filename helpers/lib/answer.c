// SPDX-License-Identifier: MIT
#include "answer.h"

#include "text.h"

#include <string.h>
#include <sys/sysmacros.h>

void answer_of_record(struct answer *answer, const struct conn_identity *record)
{
	identity_conn(&answer->conn, record);
	answer->pid = record->pid;
	answer->has_identity = true;
	answer->matches = 1;
	identity_copy(&answer->identity, record);
}

void answer_inspect(const struct answer *answer, struct process *process, bool want_cmdline)
{
	if (answer->has_identity) {
		process_inspect(process, &answer->identity, want_cmdline);
		return;
	}
	process->status = PROCESS_UNKNOWN;
	process->has_ppid = false;
	process->exe_changed = EXE_UNKNOWN;
	process->exe.len = process->cmdline.len = process->cgroup.len = -1;
}

static size_t comm_length(const struct conn_identity *identity)
{
	return strnlen(identity->comm, sizeof(identity->comm));
}

/* --- text ------------------------------------------------------------------ */

static void line_number(const char *name, uint64_t value)
{
	out_str(name);
	out_str(": ");
	out_u64(value);
	out_str("\n");
}

static void line_text(const char *name, const char *bytes, int len)
{
	if (len < 0)
		return;
	out_str(name);
	out_str(": ");
	out_escaped(bytes, (size_t)len);
	out_str("\n");
}

/* As stat(2) numbers devices; the kernel has 12 bits and 20. */
static uint64_t device_number(__u32 device)
{
	return makedev(device >> 20, device & 0xfffff);
}

static void print_address(const __u32 ip[4])
{
	struct conn conn;

	conn_set_address(&conn, ip);
	conn_print_address(&conn);
}

static void print_identity_text(const struct answer *answer, const struct process *process)
{
	const struct conn_identity *identity = &answer->identity;

	line_text("comm", identity->comm, (int)comm_length(identity));
	line_text("exe", process->exe.bytes, process->exe.len);
	if (process->exe_changed == EXE_CHANGED)
		out_str("exe_changed: true\n");
	line_text("cmdline", process->cmdline.bytes, process->cmdline.len);
	if (process->cmdline.len >= 0 && process->cmdline.is_cut)
		out_str("cmdline_truncated: true\n");
	if (process->has_ppid)
		line_number("ppid", process->ppid);
	line_number("tid", identity->tid);
	line_number("uid", identity->uid);
	line_number("gid", identity->gid);
	line_text("cgroup", process->cgroup.bytes, process->cgroup.len);
	line_number("cgroup_id", identity->cgroup_id);
	line_number("netns", identity->netns);
	if (identity->netns_cookie)
		line_number("netns_cookie", identity->netns_cookie);
	if (identity->exe_inode) {
		line_number("exe_device", device_number(identity->exe_device));
		line_number("exe_inode", identity->exe_inode);
	}
	line_number("start_time_ns", identity->start_time);
	line_number("age_seconds", identity_age(identity, boot_time()));
}

void answer_print_text(const struct answer *answer, const struct process *process)
{
	line_number("PID", answer->pid);
	out_str("protocol: ");
	conn_print_protocol(&answer->conn);
	out_str("\ndst_ip: ");
	conn_print_address(&answer->conn);
	out_str("\n");
	if (answer->has_identity && identity_has_source(&answer->identity)) {
		out_str("src_ip: ");
		print_address(answer->identity.src_ip);
		out_str("\n");
	}
	line_number("src_port", conn_src_port(&answer->conn));
	line_number("dst_port", conn_dst_port(&answer->conn));
	out_str("status: ");
	out_str(process_status_name(process->status));
	out_str("\n");
	if (answer->has_identity)
		print_identity_text(answer, process);
	if (answer->matches > 1)
		line_number("matches", (uint64_t)answer->matches);
}

/* --- JSON ------------------------------------------------------------------ */

static void member_number(const char *name, bool known, uint64_t value)
{
	out_str(name);
	if (known)
		out_u64(value);
	else
		out_str("null");
}

static void member_text(const char *name, const char *bytes, int len)
{
	out_str(name);
	if (len >= 0)
		out_json(bytes, (size_t)len);
	else
		out_str("null");
}

void answer_print_json_conn(const struct answer *answer)
{
	out_str("{\"pid\":");
	out_u64(answer->pid);
	out_str(",");
	conn_print_json_fields(&answer->conn);
}

void answer_print_json_process(const struct answer *answer, const struct process *process)
{
	const struct conn_identity *identity = &answer->identity;
	bool known = answer->has_identity;

	out_str(",\"status\":\"");
	out_str(process_status_name(process->status));
	member_text("\",\"comm\":", identity->comm, known ? (int)comm_length(identity) : -1);
	member_text(",\"exe\":", process->exe.bytes, process->exe.len);
	member_number(",\"exe_device\":", known && identity->exe_inode,
		      device_number(identity->exe_device));
	member_number(",\"exe_inode\":", known && identity->exe_inode, identity->exe_inode);
	out_str(process->exe_changed == EXE_CHANGED ? ",\"exe_changed\":true"
		: process->exe_changed == EXE_SAME  ? ",\"exe_changed\":false"
						    : ",\"exe_changed\":null");
	member_text(",\"cmdline\":", process->cmdline.bytes, process->cmdline.len);
	if (process->cmdline.len >= 0 && process->cmdline.is_cut)
		out_str(",\"cmdline_truncated\":true");
	member_number(",\"ppid\":", process->has_ppid, process->ppid);
	member_number(",\"uid\":", known, identity->uid);
	member_number(",\"gid\":", known, identity->gid);
	member_text(",\"cgroup\":", process->cgroup.bytes, process->cgroup.len);
	member_number(",\"cgroup_id\":", known, identity->cgroup_id);
	member_number(",\"start_time_ns\":", known, identity->start_time);
	member_number(",\"tid\":", known, identity->tid);
	member_number(",\"netns\":", known, identity->netns);
	member_number(",\"netns_cookie\":", known && identity->netns_cookie,
		      identity->netns_cookie);
}

void answer_print_json_source(const struct answer *answer)
{
	bool known = answer->has_identity && identity_has_source(&answer->identity);

	out_str(known ? ",\"src_ip\":\"" : ",\"src_ip\":null");
	if (known) {
		print_address(answer->identity.src_ip);
		out_str("\"");
	}
}

void answer_print_json_record(const struct answer *answer, uint64_t now)
{
	answer_print_json_source(answer);
	member_number(",\"age_seconds\":", answer->has_identity,
		      identity_age(&answer->identity, now));
	if (answer->matches > 1)
		member_number(",\"matches\":", true, (uint64_t)answer->matches);
	out_str("}");
}

void answer_print_json(const struct answer *answer, const struct process *process)
{
	answer_print_json_conn(answer);
	answer_print_json_process(answer, process);
	answer_print_json_record(answer, boot_time());
}

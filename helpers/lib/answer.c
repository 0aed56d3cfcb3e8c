// SPDX-License-Identifier: MIT
#include "answer.h"

#include "number.h"
#include "text.h"

#include <string.h>
#include <sys/sysmacros.h>

void answer_of_record(struct answer *answer, const struct conn_identity *record)
{
	answer->conn = identity_conn(record);
	answer->pid = record->pid;
	answer->has_identity = true;
	answer->matches = 1;
	identity_copy(&answer->identity, record);
}

struct facts answer_inspect(const struct answer *answer, struct process *process, bool want_cmdline)
{
	if (answer->has_identity)
		process_inspect(process, &answer->identity, want_cmdline);
	else
		process_set_unknown(process);
	return (struct facts) {
		.answer = answer, .status = process->status, .process = process, .now = boot_time()
	};
}

/* --- values ----------------------------------------------------------------- */

struct value {
	enum {
		UNKNOWN, /* null in JSON, left out of text */
		ABSENT,	 /* left out of both */
		NUMBER,
		TEXT,
		FLAG, /* left out of text while it is false */
		ADDRESS,
	} kind;
	int len; /* of a text */
	union {
		uint64_t number;
		bool flag;
		const char *bytes;
		struct address address;
	};
};

static struct value unknown(void)
{
	return (struct value) { .kind = UNKNOWN };
}

static struct value number(bool is_known, uint64_t n)
{
	return (struct value) { .kind = is_known ? NUMBER : UNKNOWN, .number = n };
}

static struct value text(const char *bytes, int len)
{
	return (struct value) { .kind = len >= 0 ? TEXT : UNKNOWN, .len = len, .bytes = bytes };
}

static struct value word(const char *s)
{
	return text(s, (int)strlen(s));
}

static struct value address(const struct address *a)
{
	return (struct value) { .kind = ADDRESS, .address = *a };
}

static struct value flag(bool is_set)
{
	return (struct value) { .kind = FLAG, .flag = is_set };
}

/* --- the fields ------------------------------------------------------------- */

static struct value get_pid(const struct facts *f)
{
	return number(true, f->answer->pid);
}

static struct value get_protocol(const struct facts *f)
{
	static char other[NUMBER_DIGITS + 1];
	const char *name = conn_protocol_name(f->answer->conn.protocol);

	if (!name)
		format_u64(other, f->answer->conn.protocol);
	return word(name ? name : other);
}

static struct value get_dst_ip(const struct facts *f)
{
	return address(&f->answer->conn.dst);
}

static struct value get_src_port(const struct facts *f)
{
	return number(true, f->answer->conn.src_port);
}

static struct value get_dst_port(const struct facts *f)
{
	return number(true, f->answer->conn.dst_port);
}

static struct value get_status(const struct facts *f)
{
	return word(process_status_name(f->status));
}

static struct value get_comm(const struct facts *f)
{
	const struct conn_identity *identity = &f->answer->identity;

	return f->answer->has_identity
		       ? text(identity->comm, (int)strnlen(identity->comm, sizeof(identity->comm)))
		       : unknown();
}

static struct value get_exe(const struct facts *f)
{
	return text(f->process->exe.bytes, f->process->exe.len);
}

/* As stat(2) numbers devices; in the kernel a major number has 12 bits and a minor one 20. */
static struct value get_exe_device(const struct facts *f)
{
	const struct conn_identity *identity = &f->answer->identity;

	return number(f->answer->has_identity && identity->exe_inode,
		      makedev(identity->exe_device >> 20, identity->exe_device & 0xfffff));
}

static struct value get_exe_inode(const struct facts *f)
{
	const struct conn_identity *identity = &f->answer->identity;

	return number(f->answer->has_identity && identity->exe_inode, identity->exe_inode);
}

static struct value get_exe_changed(const struct facts *f)
{
	return f->process->exe_changed == EXE_UNKNOWN
		       ? unknown()
		       : flag(f->process->exe_changed == EXE_CHANGED);
}

static struct value get_cmdline(const struct facts *f)
{
	return text(f->process->cmdline.bytes, f->process->cmdline.len);
}

static struct value get_cmdline_truncated(const struct facts *f)
{
	const struct process_text *cmdline = &f->process->cmdline;

	return cmdline->len >= 0 && cmdline->is_cut ? flag(true)
						    : (struct value) { .kind = ABSENT };
}

static struct value get_ppid(const struct facts *f)
{
	return number(f->process->has_ppid, f->process->ppid);
}

static struct value get_uid(const struct facts *f)
{
	return number(f->answer->has_identity, f->answer->identity.uid);
}

static struct value get_gid(const struct facts *f)
{
	return number(f->answer->has_identity, f->answer->identity.gid);
}

static struct value get_cgroup(const struct facts *f)
{
	return text(f->process->cgroup.bytes, f->process->cgroup.len);
}

static struct value get_cgroup_id(const struct facts *f)
{
	return number(f->answer->has_identity, f->answer->identity.cgroup_id);
}

static struct value get_start_time_ns(const struct facts *f)
{
	return number(f->answer->has_identity, f->answer->identity.start_time);
}

static struct value get_tid(const struct facts *f)
{
	return number(f->answer->has_identity, f->answer->identity.tid);
}

static struct value get_netns(const struct facts *f)
{
	return number(f->answer->has_identity, f->answer->identity.netns);
}

static struct value get_netns_cookie(const struct facts *f)
{
	const struct conn_identity *identity = &f->answer->identity;

	return number(f->answer->has_identity && identity->netns_cookie, identity->netns_cookie);
}

static struct value get_src_ip(const struct facts *f)
{
	struct address source;

	if (!f->answer->has_identity || !identity_has_source(&f->answer->identity))
		return unknown();
	source = address_from_v6(f->answer->identity.src_ip);
	return address(&source);
}

static struct value get_age_seconds(const struct facts *f)
{
	return f->answer->has_identity ? number(true, identity_age(&f->answer->identity, f->now))
				       : unknown();
}

static struct value get_matches(const struct facts *f)
{
	return f->answer->matches > 1 ? number(true, (uint64_t)f->answer->matches)
				      : (struct value) { .kind = ABSENT };
}

struct field {
	const char *name;
	const char *member; /* ,"name": as it comes in front of the value in JSON */
	uint8_t member_len;
	uint8_t part;	/* enum answer_part */
	bool is_listed; /* conn-list -j has it: it was recorded, or is quickly asked */
	struct value (*get)(const struct facts *facts);
};

#define FIELD_OF(name_, part_, get_, is_listed_)                                          \
	{                                                                                 \
		.name = name_,                                                            \
		.member = ",\"" name_ "\":", .member_len = sizeof(",\"" name_ "\":") - 1, \
		.part = part_, .is_listed = is_listed_, .get = get_                       \
	}
#define FIELD(name_, part_, get_) FIELD_OF(name_, part_, get_, false)
#define LISTED(name_, part_, get_) FIELD_OF(name_, part_, get_, true)

/* In the order in which they are printed. check-tables.sh compares the manuals with it. */
static const struct field fields[] = {
	LISTED("pid", PART_PID, get_pid),
	LISTED("protocol", PART_QUESTION, get_protocol),
	LISTED("dst_ip", PART_QUESTION, get_dst_ip),
	LISTED("src_port", PART_QUESTION, get_src_port),
	LISTED("dst_port", PART_QUESTION, get_dst_port),
	LISTED("status", PART_PROCESS, get_status),
	LISTED("comm", PART_PROCESS, get_comm),
	FIELD("exe", PART_PROCESS, get_exe),
	FIELD("exe_device", PART_PROCESS, get_exe_device),
	FIELD("exe_inode", PART_PROCESS, get_exe_inode),
	FIELD("exe_changed", PART_PROCESS, get_exe_changed),
	FIELD("cmdline", PART_PROCESS, get_cmdline),
	FIELD("cmdline_truncated", PART_PROCESS, get_cmdline_truncated),
	FIELD("ppid", PART_PROCESS, get_ppid),
	LISTED("uid", PART_PROCESS, get_uid),
	LISTED("gid", PART_PROCESS, get_gid),
	FIELD("cgroup", PART_PROCESS, get_cgroup),
	LISTED("cgroup_id", PART_PROCESS, get_cgroup_id),
	LISTED("start_time_ns", PART_PROCESS, get_start_time_ns),
	LISTED("tid", PART_PROCESS, get_tid),
	LISTED("netns", PART_PROCESS, get_netns),
	LISTED("netns_cookie", PART_PROCESS, get_netns_cookie),
	LISTED("src_ip", PART_RECORD, get_src_ip),
	LISTED("age_seconds", PART_RECORD, get_age_seconds),
	FIELD("matches", PART_RECORD, get_matches),
};

#define FIELDS (sizeof(fields) / sizeof(*fields))

/* --- text ------------------------------------------------------------------- */

static void out_value(const struct value *value)
{
	switch (value->kind) {
	case NUMBER:
		out_u64(value->number);
		break;
	case TEXT:
		out_escaped(value->bytes, (size_t)value->len);
		break;
	case ADDRESS:
		out_address(&value->address);
		break;
	case FLAG:
		out_str(value->flag ? "true" : "false");
		break;
	default:
		out_str("-");
	}
}

void answer_print_text(const struct facts *facts)
{
	for (size_t i = 0; i < FIELDS; i++) {
		struct value value = fields[i].get(facts);

		if (value.kind == UNKNOWN || value.kind == ABSENT ||
		    (value.kind == FLAG && !value.flag))
			continue;
		/* The first line has been "PID: N" from the first version on. */
		out_str(fields[i].part == PART_PID ? "PID" : fields[i].name);
		out_str(": ");
		out_value(&value);
		out_str("\n");
	}
}

void answer_print_row(const struct facts *facts)
{
	/* The name comes last because there may be spaces in it. */
	static struct value (*const columns[])(const struct facts *facts) = {
		get_protocol, get_dst_ip, get_src_port, get_dst_port, get_pid, get_status, get_comm,
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
		struct value value = columns[i](facts);

		if (i > 0)
			out_str(" ");
		out_value(&value);
	}
	out_str("\n");
}

/* --- JSON ------------------------------------------------------------------- */

static void print_member(const struct field *field, const struct facts *facts)
{
	struct value value = field->get(facts);
	bool is_quoted = value.kind == TEXT || value.kind == ADDRESS;

	if (value.kind == ABSENT)
		return;
	out_bytes(field->member, field->member_len);
	if (is_quoted)
		out_bytes("\"", 1);
	if (value.kind == UNKNOWN)
		out_bytes("null", 4);
	else
		out_value(&value);
	if (is_quoted)
		out_bytes("\"", 1);
}

void answer_print_json_part(const struct facts *facts, enum answer_part part)
{
	if (part == PART_PID) {
		/* The first member has a brace in front instead of the comma. */
		out_str("{");
		out_bytes(fields[0].member + 1, fields[0].member_len - 1u);
		out_u64(facts->answer->pid);
		return;
	}
	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].part == part)
			print_member(&fields[i], facts);
}

void answer_print_json(const struct facts *facts)
{
	answer_print_json_part(facts, PART_PID);
	for (size_t i = 1; i < FIELDS; i++)
		print_member(&fields[i], facts);
	out_str("}");
}

void answer_print_listed_json(const struct facts *facts)
{
	answer_print_json_part(facts, PART_PID);
	for (size_t i = 1; i < FIELDS; i++)
		if (fields[i].is_listed)
			print_member(&fields[i], facts);
	out_str("}");
}

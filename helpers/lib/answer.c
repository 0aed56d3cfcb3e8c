// SPDX-License-Identifier: MIT
#include "answer.h"

#include "ancestors.h"
#include "number.h"
#include "text.h"

#include <netinet/in.h>
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
		ANCESTORS,
		SECONDS, /* a number of nanoseconds, printed as seconds */
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

/* A time of NS nanoseconds. */
static struct value seconds(bool is_known, uint64_t ns)
{
	return (struct value) { .kind = is_known ? SECONDS : UNKNOWN, .number = ns };
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

static struct value get_parent_comm(const struct facts *f)
{
	return text(f->process->parent_comm, f->process->parent_comm_len);
}

static struct value get_exe_truncated(const struct facts *f)
{
	return f->process->exe.len >= 0 && f->process->exe.is_cut
		       ? flag(true)
		       : (struct value) { .kind = ABSENT };
}

static struct value get_loginuid(const struct facts *f)
{
	return number(f->process->login_uid != PROCESS_NO_ID, f->process->login_uid);
}

static struct value get_sessionid(const struct facts *f)
{
	return number(f->process->session_id != PROCESS_NO_ID, f->process->session_id);
}

static struct value get_ancestors(const struct facts *f)
{
	return (struct value) { .kind = f->want_ancestors ? ANCESTORS : ABSENT };
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

static struct value get_direction(const struct facts *f)
{
	const struct conn_identity *identity = &f->answer->identity;

	if (!f->answer->has_identity || identity->kind & IDENTITY_NO_DIRECTION)
		return unknown();
	return word(identity->kind & IDENTITY_IN ? "in" : "out");
}

static struct value get_owner(const struct facts *f)
{
	static const char *const names[] = {
		[IDENTITY_OPENER] = "opener",
		[IDENTITY_ACCEPTER] = "accepter",
		[IDENTITY_LISTENER] = "listener",
		[IDENTITY_HOLDER] = "holder",
	};

	return f->answer->has_identity ? word(names[f->answer->identity.kind & IDENTITY_OWNER])
				       : unknown();
}

/* Whether the answer is of a TCP connection of which something is known. */
static bool is_tcp(const struct facts *f)
{
	return f->answer->has_identity && f->answer->identity.protocol == IPPROTO_TCP;
}

static bool has_ended(const struct facts *f)
{
	return is_tcp(f) && f->answer->identity.ended;
}

static struct value get_state(const struct facts *f)
{
	if (has_ended(f))
		return word("closed");
	return is_tcp(f) && identity_is_open(&f->answer->identity) ? word("open") : unknown();
}

static struct value get_ended(const struct facts *f)
{
	static const char *const names[IDENTITY_ENDS] = {
		[IDENTITY_FIN] = "fin",
		[IDENTITY_RESET_BY_PEER] = "reset by peer",
		[IDENTITY_RESET_SENT] = "reset sent",
		[IDENTITY_TIMEOUT] = "timeout",
		[IDENTITY_REFUSED] = "refused",
		[IDENTITY_UNREACHABLE] = "unreachable",
		[IDENTITY_ABORTED] = "aborted",
	};
	__u8 ended = f->answer->identity.ended;

	return has_ended(f) && ended < IDENTITY_ENDS && names[ended] ? word(names[ended])
								     : unknown();
}

/* Of what was there before the attachment the beginning is not known. */
static struct value get_duration_seconds(const struct facts *f)
{
	const struct conn_identity *identity = &f->answer->identity;

	return seconds(has_ended(f) && identity->duration && !(identity->kind & IDENTITY_BEFORE),
		       identity->duration);
}

static struct value get_sent_bytes(const struct facts *f)
{
	return number(has_ended(f), f->answer->identity.sent);
}

static struct value get_received_bytes(const struct facts *f)
{
	return number(has_ended(f), f->answer->identity.received);
}

static struct value get_retransmitted_segments(const struct facts *f)
{
	return number(has_ended(f), f->answer->identity.retransmitted);
}

/* The kernel keeps it in eighths of a microsecond. */
static struct value get_rtt_seconds(const struct facts *f)
{
	const struct conn_identity *identity = &f->answer->identity;

	return seconds(has_ended(f) && identity->round_trip, identity->round_trip * 125ull);
}

static bool is_of_before(const struct facts *f)
{
	return f->answer->has_identity && f->answer->identity.kind & IDENTITY_BEFORE;
}

static struct value get_age_seconds(const struct facts *f)
{
	return f->answer->has_identity && !is_of_before(f)
		       ? number(true, identity_age(&f->answer->identity, f->now))
		       : unknown();
}

static struct value get_since(const struct facts *f)
{
	return is_of_before(f) ? word("before") : (struct value) { .kind = ABSENT };
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

/*
 * In the order in which they are printed, as text and as JSON. The build compares the manuals
 * with this table: see check-tables.sh.
 */
static const struct field fields[] = {
	LISTED("pid", PART_PID, get_pid),
	LISTED("protocol", PART_QUESTION, get_protocol),
	LISTED("dst_ip", PART_QUESTION, get_dst_ip),
	LISTED("src_port", PART_QUESTION, get_src_port),
	LISTED("dst_port", PART_QUESTION, get_dst_port),
	LISTED("status", PART_PROCESS, get_status),
	LISTED("comm", PART_PROCESS, get_comm),
	FIELD("exe", PART_PROCESS, get_exe),
	FIELD("exe_truncated", PART_PROCESS, get_exe_truncated),
	FIELD("exe_changed", PART_PROCESS, get_exe_changed),
	FIELD("cmdline", PART_PROCESS, get_cmdline),
	FIELD("cmdline_truncated", PART_PROCESS, get_cmdline_truncated),
	FIELD("ppid", PART_PROCESS, get_ppid),
	FIELD("parent_comm", PART_PROCESS, get_parent_comm),
	FIELD("ancestors", PART_PROCESS, get_ancestors),
	LISTED("tid", PART_PROCESS, get_tid),
	LISTED("uid", PART_PROCESS, get_uid),
	LISTED("gid", PART_PROCESS, get_gid),
	FIELD("loginuid", PART_PROCESS, get_loginuid),
	FIELD("sessionid", PART_PROCESS, get_sessionid),
	FIELD("cgroup", PART_PROCESS, get_cgroup),
	LISTED("cgroup_id", PART_PROCESS, get_cgroup_id),
	LISTED("netns", PART_PROCESS, get_netns),
	LISTED("netns_cookie", PART_PROCESS, get_netns_cookie),
	FIELD("exe_device", PART_PROCESS, get_exe_device),
	FIELD("exe_inode", PART_PROCESS, get_exe_inode),
	LISTED("start_time_ns", PART_PROCESS, get_start_time_ns),
	LISTED("src_ip", PART_RECORD, get_src_ip),
	LISTED("direction", PART_RECORD, get_direction),
	LISTED("owner", PART_RECORD, get_owner),
	LISTED("state", PART_RECORD, get_state),
	LISTED("ended", PART_RECORD, get_ended),
	LISTED("duration_seconds", PART_RECORD, get_duration_seconds),
	LISTED("sent_bytes", PART_RECORD, get_sent_bytes),
	LISTED("received_bytes", PART_RECORD, get_received_bytes),
	LISTED("retransmitted_segments", PART_RECORD, get_retransmitted_segments),
	LISTED("rtt_seconds", PART_RECORD, get_rtt_seconds),
	LISTED("age_seconds", PART_RECORD, get_age_seconds),
	LISTED("since", PART_RECORD, get_since),
	FIELD("matches", PART_RECORD, get_matches),
};

#define FIELDS (sizeof(fields) / sizeof(*fields))

/* --- text ------------------------------------------------------------------- */

/* Seconds with as many decimals as there are, nine at most. */
static void out_seconds(uint64_t ns)
{
	char decimals[10] = ".000000000";
	int len = 10;

	out_u64(ns / 1000000000);
	for (int i = 9; i > 0; i--, ns /= 10)
		decimals[i] = (char)('0' + ns % 10);
	while (len > 0 && decimals[len - 1] == '0')
		len--;
	if (len > 1)
		out_bytes(decimals, (size_t)len);
}

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
	case SECONDS:
		out_seconds(value->number);
		break;
	case FLAG:
		out_str(value->flag ? "true" : "false");
		break;
	default:
		out_str("-");
	}
}

/* "PID COMM EXE", with a comma between two. */
static const char *separator;

static void out_known(const char *bytes, int len)
{
	if (len < 0)
		out_str("-");
	else
		out_escaped(bytes, (size_t)len);
}

static void out_ancestor(const struct ancestor *ancestor)
{
	out_str(separator);
	separator = ", ";
	out_u64(ancestor->pid);
	out_str(" ");
	out_known(ancestor->comm, ancestor->comm_len);
	out_str(" ");
	out_known(ancestor->exe.bytes, ancestor->exe.len);
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
		separator = "";
		if (value.kind == ANCESTORS)
			each_ancestor(facts->process, out_ancestor);
		else
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

static void out_json_known(const char *bytes, int len)
{
	if (len < 0) {
		out_str("null");
		return;
	}
	out_str("\"");
	out_escaped(bytes, (size_t)len);
	out_str("\"");
}

static void out_json_ancestor(const struct ancestor *ancestor)
{
	out_str(separator);
	separator = ",";
	out_str("{\"pid\":");
	out_u64(ancestor->pid);
	out_str(",\"comm\":");
	out_json_known(ancestor->comm, ancestor->comm_len);
	out_str(",\"exe\":");
	out_json_known(ancestor->exe.bytes, ancestor->exe.len);
	out_str("}");
}

static void print_member(const struct field *field, const struct facts *facts)
{
	struct value value = field->get(facts);
	bool is_quoted = value.kind == TEXT || value.kind == ADDRESS;

	if (value.kind == ABSENT)
		return;
	out_bytes(field->member, field->member_len);
	if (value.kind == ANCESTORS) {
		separator = "";
		out_str("[");
		each_ancestor(facts->process, out_json_ancestor);
		out_str("]");
		return;
	}
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

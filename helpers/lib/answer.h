/* SPDX-License-Identifier: MIT */
/*
 * The answer to a question about a connection, and how it is printed: one table of fields,
 * in answer.c, is the text of conn-lookup, its JSON and that of conn-list.
 */
#ifndef CONNPIN_LIB_ANSWER_H
#define CONNPIN_LIB_ANSWER_H

#include "conn.h"
#include "identity_table.h"
#include "process.h"

/* What was found: a record of the identity table, or the PID that conn_to_pid_* has. */
struct answer {
	struct conn conn;
	conn_pid pid;
	bool has_identity; /* false: the PID is all that is known */
	struct conn_identity identity;
	int matches; /* records that the question may have meant, 1 at least */
};

/* What the fields are printed of. */
struct facts {
	const struct answer *answer;
	enum process_status status;
	const struct process *process; /* NULL where only listed fields are printed */
	uint64_t now;		       /* boot_time() */
	bool want_ancestors;
};

/*
 * The fields in the order in which they are printed. Those of PART_PROCESS are the same for
 * all that one thread of a process opened, so who prints many answers may keep that part.
 */
enum answer_part {
	PART_PID,
	PART_QUESTION, /* protocol, destination and ports */
	PART_PROCESS,
	PART_RECORD, /* what is of this connection alone */
};

/* The answer that a record of the identity table gives. */
void answer_of_record(struct answer *answer, const struct conn_identity *record);

/*
 * Look at the process of the answer, into *PROCESS, which the facts returned point to. A
 * PID-only answer has the status PROCESS_UNKNOWN, and nothing else is known.
 */
struct facts answer_inspect(const struct answer *answer, struct process *process,
			    bool want_cmdline);

/* A line "name: value" for each field that is known. */
void answer_print_text(const struct facts *facts);

/* One JSON object without a line end; a field that is not known is null. */
void answer_print_json(const struct facts *facts);

/* The same object, but only the fields that conn-list has. */
void answer_print_listed_json(const struct facts *facts);

/* The fields of one part, a comma in front of each; PART_PID begins the object instead. */
void answer_print_json_part(const struct facts *facts, enum answer_part part);

/* A line of words: PROTOCOL DST SRC_PORT DST_PORT PID STATUS COMM. */
void answer_print_row(const struct facts *facts);

#endif

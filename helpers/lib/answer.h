/* SPDX-License-Identifier: MIT */
/* The answer to a question about a connection, and how it is printed. */
#ifndef CONNPIN_LIB_ANSWER_H
#define CONNPIN_LIB_ANSWER_H

#include "conn.h"
#include "identity_table.h"
#include "process.h"

/* A record that was found: of the identity table, or the bare PID of the other maps. */
struct answer {
	struct conn conn;
	conn_pid pid;
	bool has_identity;
	struct conn_identity identity;
	int matches; /* records that the question may have meant, 1 at least */
};

/* The answer that a record of the identity table is. */
void answer_of_record(struct answer *answer, const struct conn_identity *record);

/* What became of the process; unknown, like the rest, without an identity. */
void answer_inspect(const struct answer *answer, struct process *process, bool want_cmdline);

/* Lines "name: value"; what is not known is left out. */
void answer_print_text(const struct answer *answer, const struct process *process);

/* One JSON object, no line end; what is not known is null. */
void answer_print_json(const struct answer *answer, const struct process *process);

/*
 * The same in three parts, for who prints many. The second is the same for all that
 * one thread of a process opened, so it may be kept and printed again.
 */
void answer_print_json_conn(const struct answer *answer);
void answer_print_json_process(const struct answer *answer, const struct process *process);
void answer_print_json_record(const struct answer *answer, uint64_t now);

/* ,"src_ip":"...", or null when the socket had none yet. */
void answer_print_json_source(const struct answer *answer);

#endif

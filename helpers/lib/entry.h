/* SPDX-License-Identifier: MIT */
/* A tracked connection as conn-list shows it: whether the filter takes it, and its line. */
#ifndef CONNPIN_LIB_ENTRY_H
#define CONNPIN_LIB_ENTRY_H

#include "answer.h"

/* Which connections to list. A member that is 0, NULL or false asks for nothing. */
struct entry_filter {
	uint8_t protocol;
	bool has_dst;
	struct address dst;
	uint16_t src_port;
	uint16_t dst_port;
	uint64_t pid;
	const char *comm;
	bool has_uid;
	uint32_t uid;
	enum { ANY_STATE, STATE_OPEN, STATE_CLOSED } state;
	/* Which tables are listed; none of these: what was opened here. */
	bool want_out;
	bool want_in;
	bool want_listeners;
};

/* Whether ENTRY is all that the filter asks for. */
bool entry_is_wanted(const struct entry_filter *filter, const struct answer *entry);

/* Whether the record is one that listens, not a connection. */
static inline bool entry_is_listener(const struct conn_identity *record)
{
	return !record->dst_port;
}

/* Print a line of words, or a JSON object on a line. NOW is boot_time(). */
void entry_print(const struct answer *entry, bool json, uint64_t now);

/* Ask again for the status of each process from here on: to be called before each listing. */
void entry_forget_processes(void);

#endif

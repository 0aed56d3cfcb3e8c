/* SPDX-License-Identifier: MIT */
/*
 * One question to all maps: first to the identity table, and when it has no record, to the
 * maps conn_to_pid_*, which give a PID-only answer.
 */
#ifndef CONNPIN_LIB_LOOKUP_H
#define CONNPIN_LIB_LOOKUP_H

#include "answer.h"

/* The network namespace in which a connection is looked for. */
struct netns_choice {
	enum {
		NETNS_OWN, /* that of the caller; others, see lookup_answers() */
		NETNS_ANY, /* all of them */
		NETNS_ONE, /* the one with this cookie */
	} kind;
	__u64 cookie; /* 0: not read yet */
};

/* Read "any", a PID, or the path of a namespace. NULL, or what is wrong. */
conn_error netns_parse(const char *text, struct netns_choice *choice);

/* As many records as there may be of one connection, in both tables. */
#define LOOKUP_RECORDS (2 * IDENTITY_WAYS)

struct lookup {
	struct identity_table identities; /* of what was opened here */
	struct identity_table
		inbound; /* of what was accepted here; its map is NULL: not asked yet */
	struct conn_maps maps;
	struct netns_choice netns;
	bool want_all;	/* records of all namespaces, those of the own one first */
	bool want_user; /* answer as if there were no connections but those of uid */
	__u32 uid;
};

/* Open the identity table; the other maps are opened when a question needs them. */
void lookup_open(struct lookup *lookup);

/*
 * For a caller with many questions: open all maps, and map the identity table where that is
 * allowed. 0, or -errno after one line on standard error.
 */
int lookup_open_all(struct lookup *lookup);

/* Open the maps that are pinned now instead. */
void lookup_refresh(struct lookup *lookup);

/*
 * A TCP connection is looked for among those that were accepted here as well, unless one that
 * was opened here is seen to be open: the two can't be of the same addresses and ports.
 *
 * Answer the question for CONN, of which identity_query() made QUERY. Returns the number of
 * answers, of which the first is the one to give; 0 when nothing is known; -ENODEV when a map
 * could not be opened, after a line on standard error; or another -errno of reading.
 *
 * With NETNS_OWN the records of the caller's namespace answer. Those of others do so only when
 * the query has a source address that the caller's namespace does not have, because then
 * the question can't be about a connection of it.
 *
 * Among these, the records with the source that is asked for answer, or when there is none,
 * those whose source is not known. When the latest record says that the owner is not known
 * (PID 0), there is no answer.
 */
int lookup_answers(struct lookup *lookup, const struct conn *conn,
		   const struct identity_query *query, struct answer answers[LOOKUP_RECORDS]);

/*
 * Whether lookup_answers() would give this record and nothing else, when it is the only one of
 * its connection.
 */
static inline bool lookup_takes(const struct lookup *lookup, const struct identity_query *query,
				const struct conn_identity *only)
{
	return (lookup->netns.kind == NETNS_ANY ||
		(lookup->netns.cookie && only->netns_cookie == lookup->netns.cookie)) &&
	       only->pid && (!query->source.is_asked || identity_is_from(only, &query->source)) &&
	       !identity_is_outdated(&lookup->identities, only) &&
	       (only->protocol != 6 || identity_is_open(only) ||
		!identity_may_have(&lookup->inbound, query));
}

#endif

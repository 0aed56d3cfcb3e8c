/* SPDX-License-Identifier: MIT */
/*
 * One question to all maps: the identity table first, and when it knows nothing the
 * bare PIDs of conn_to_pid_*.
 */
#ifndef CONNPIN_LIB_LOOKUP_H
#define CONNPIN_LIB_LOOKUP_H

#include "answer.h"

/* Which network namespace a connection should be of. */
struct netns_choice {
	enum {
		NETNS_OWN, /* the caller's */
		NETNS_ANY, /* whichever */
		NETNS_ONE, /* this one and no other */
	} kind;
	__u64 cookie; /* of it; 0: not read yet */
};

/* "any", a process id, or the path of a namespace. NULL, or what was wrong. */
conn_error netns_parse(const char *text, struct netns_choice *choice);

struct lookup {
	struct identity_table identities;
	struct conn_maps maps; /* -1: not open yet */
	struct netns_choice netns;
	bool want_all;	/* of all namespaces, the own one's first */
	bool want_user; /* the connections of this user alone, as if there were no others */
	__u32 uid;
};

/* Open what one question needs; the rest when it turns out to be needed. */
void lookup_open(struct lookup *lookup);

/*
 * Open everything, for who asks many: the identities as memory where that is allowed.
 * 0, or -errno after one line on standard error.
 */
int lookup_open_all(struct lookup *lookup);

/* Whatever is pinned by now instead of what was. */
void lookup_refresh(struct lookup *lookup);

/*
 * The answers for CONN, QUERY being made of it for this lookup's table: the one that is to
 * be given first. Their number, 0 when nothing is known, -errno when the maps can't be read;
 * a map that can't be opened was told on standard error and is -ENODEV.
 *
 * What is asked for is a connection of the asker's own namespace, unless the choice says
 * otherwise. Another namespace's answers only when the question names a source address that
 * is none of the own one's: then it is no question about the own one. Of the records that
 * are left, those with the source that is asked for answer; without such, those whose
 * source is not known. When the latest is of nobody, there is no answer.
 */
int lookup_answers(struct lookup *lookup, const struct conn *conn,
		   const struct identity_query *query, struct answer answers[IDENTITY_WAYS]);

/* Whether a record that is the only one of its connection is the answer as it stands. */
static inline bool lookup_takes(const struct lookup *lookup, const struct identity_query *query,
				const struct conn_identity *only)
{
	return (lookup->netns.kind == NETNS_ANY ||
		(lookup->netns.cookie && only->netns_cookie == lookup->netns.cookie)) &&
	       only->pid && (!query->source.is_asked || identity_is_from(only, &query->source)) &&
	       !identity_is_outdated(&lookup->identities, only);
}

#endif

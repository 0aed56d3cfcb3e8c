// SPDX-License-Identifier: MIT
#include "lookup.h"

#include "netns.h"
#include "number.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

conn_error netns_parse(const char *text, struct netns_choice *choice)
{
	char path[64] = "/proc/";
	const char *file = text;
	struct stat st, own;
	uint64_t pid;
	int fd;

	if (strcmp(text, "any") == 0) {
		choice->kind = NETNS_ANY;
		return NULL;
	}
	if (parse_number(text, 1, UINT32_MAX, &pid)) {
		strcat(path, text + strspn(text, "0")); /* at most 10 digits */
		strcat(path, "/ns/net");
		file = path;
	} else if (!strchr(text, '/')) {
		return "is neither a PID nor the path of a network namespace nor 'any'";
	}
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == EACCES ? "is a network namespace that may not be looked at"
				       : "is no network namespace: no such process or file";
	/* All namespaces are on one file system, nsfs: a file on another one is a mistake. */
	if (file == text && stat("/proc/self/ns/net", &own) == 0 && fstat(fd, &st) == 0 &&
	    own.st_dev != st.st_dev) {
		close(fd);
		return "is a file, but no namespace";
	}
	choice->kind = NETNS_ONE;
	choice->cookie = netns_cookie(fd);
	close(fd);
	return choice->cookie ? NULL
			      : "is a network namespace that may not be entered to tell it from "
				"earlier ones: ask as root";
}

void lookup_open(struct lookup *lookup)
{
	lookup->maps = (struct conn_maps) { .v4 = -1, .v6 = -1 };
	/* Without it answers are PID-only. Opening the other maps tells what is wrong. */
	(void)identity_open(&lookup->identities, IDENTITY_OUT_MAP, false);
}

int lookup_open_all(struct lookup *lookup)
{
	(void)identity_open(&lookup->identities, IDENTITY_OUT_MAP, true);
	(void)identity_open(&lookup->inbound, IDENTITY_IN_MAP, true);
	return conn_open(&lookup->maps);
}

void lookup_refresh(struct lookup *lookup)
{
	conn_reopen(&lookup->maps);
	identity_refresh(&lookup->identities, true);
	identity_refresh(&lookup->inbound, true);
}

static bool is_in_namespace(struct netns_choice *choice, const struct conn_identity *record)
{
	if (choice->kind == NETNS_OWN && !choice->cookie)
		choice->cookie = own_netns_cookie();
	return choice->kind == NETNS_ANY ||
	       (choice->cookie && record->netns_cookie == choice->cookie);
}

/* Move the records of the namespace to the front, in their order. Returns how many there are. */
static int put_own_first(struct netns_choice *choice, struct conn_identity *found, int count)
{
	struct conn_identity others[LOOKUP_RECORDS];
	int own = 0, rest = 0;

	for (int i = 0; i < count; i++)
		if (is_in_namespace(choice, &found[i]))
			identity_copy(&found[own++], &found[i]);
		else
			identity_copy(&others[rest++], &found[i]);
	memcpy(found + own, others, (size_t)rest * sizeof(*found));
	return own;
}

static int count_from(const struct conn_source *source, const struct conn_identity *found,
		      int count)
{
	int n = 0;

	for (int i = 0; i < count; i++)
		n += identity_is_from(&found[i], source);
	return n;
}

/*
 * Keep the records that have the source, or when there are none, those whose source is not
 * known. Sockets that are bound to it come first, because a datagram may claim any source
 * address of its host. Returns how many are left.
 */
static int keep_source(const struct conn_source *source, struct conn_identity *found, int count)
{
	bool is_exact = count_from(source, found, count) > 0;
	struct conn_identity kept[LOOKUP_RECORDS];
	int n = 0;

	for (int flags = 0; flags <= IDENTITY_SRC_OF_MESSAGE; flags++)
		for (int i = 0; i < count; i++)
			if ((found[i].flags & IDENTITY_SRC_OF_MESSAGE) == flags &&
			    (is_exact ? identity_is_from(&found[i], source)
				      : !identity_has_source(&found[i])))
				kept[n++] = found[i];
	memcpy(found, kept, (size_t)n * sizeof(*found));
	return n;
}

/* Find the PID-only answer in conn_to_pid_*. 1, 0 when there is none, or -errno. */
static int find_pid_only(struct lookup *lookup, const struct conn *conn, struct answer *answer)
{
	int rc;

	if (conn_open_for(&lookup->maps, conn) < 0)
		return -ENODEV;
	rc = conn_lookup(&lookup->maps, conn, &answer->pid);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	answer->conn = *conn;
	answer->has_identity = false;
	answer->matches = 1;
	return 1;
}

/*
 * Give a PID-only answer, as no record of the namespace has the connection. Any user may have
 * written that PID, from any namespace; when one of the COUNT records of other namespaces has
 * it, it was not written from this one.
 */
static int answer_pid_only(struct lookup *lookup, const struct conn *conn,
			   const struct conn_identity *others, int count, struct answer *answer)
{
	int rc;

	if (lookup->netns.kind == NETNS_ONE || (lookup->netns.kind == NETNS_ANY && count))
		return 0;
	rc = find_pid_only(lookup, conn, answer);
	for (int i = 0; rc == 1 && i < count; i++)
		if (others[i].pid == answer->pid)
			rc = 0;
	return rc;
}

/*
 * Keep the records of the user, so that nothing that is decided later tells of others', and
 * those with the PID 0, because an answer older than one of them may be outdated. Returns how
 * many are left.
 */
static int keep_user(__u32 uid, struct conn_identity *found, int count)
{
	int n = 0;

	for (int i = 0; i < count; i++)
		if (!found[i].pid || found[i].uid == uid)
			found[n++] = found[i];
	return n;
}

/* Put the record into its place among the COUNT that are found, the latest first. */
static void insert_by_time(struct conn_identity *found, int count,
			   const struct conn_identity *record)
{
	int at = 0;

	while (at < count && found[at].time > record->time)
		at++;
	memmove(found + at + 1, found + at, (size_t)(count - at) * sizeof(*found));
	identity_copy(&found[at], record);
}

/* Find the records of both tables, the latest first. How many, or -errno. */
static int find_records(struct lookup *lookup, const struct identity_query *query,
			struct conn_identity found[LOOKUP_RECORDS])
{
	int count = identity_find(&lookup->identities, query, found), more;
	struct conn_identity inbound[IDENTITY_WAYS];

	if (count < 0 || query->key.protocol != 6)
		return count;
	for (int i = 0; i < count; i++)
		if (identity_is_open(&found[i]) && is_in_namespace(&lookup->netns, &found[i]))
			return count;
	if (!lookup->inbound.map)
		(void)identity_open(&lookup->inbound, IDENTITY_IN_MAP, false);
	more = identity_find(&lookup->inbound, query, inbound);
	if (more < 0)
		return more;
	for (int i = 0; i < more; i++)
		insert_by_time(found, count++, &inbound[i]);
	return count;
}

int lookup_answers(struct lookup *lookup, const struct conn *conn,
		   const struct identity_query *query, struct answer answers[LOOKUP_RECORDS])
{
	const struct conn_source *source = &query->source;
	struct conn_identity found[LOOKUP_RECORDS];
	int total, count, given = 0;

	total = find_records(lookup, query, found);
	if (total < 0)
		return total;
	if (lookup->want_user)
		total = keep_user(lookup->uid, found, total);
	count = put_own_first(&lookup->netns, found, total);
	if (lookup->netns.kind == NETNS_OWN &&
	    (lookup->want_all || (!count && source->is_asked && count_from(source, found, total) &&
				  !is_own_address(&source->address))))
		count = total;
	if (!count) {
		/* A user is not told a PID that may be another's, but that reading failed. */
		count = answer_pid_only(lookup, conn, found, total, &answers[0]);
		return lookup->want_user && count > 0 ? 0 : count;
	}
	if (source->is_asked)
		count = keep_source(source, found, count);
	if (!count || (!found[0].pid && !lookup->want_all))
		return 0;
	for (int i = 0; i < count; i++) {
		if (!found[i].pid)
			continue;
		answers[given].conn = *conn;
		answers[given].pid = found[i].pid;
		answers[given].has_identity = true;
		identity_copy(&answers[given].identity, &found[i]);
		answers[given].matches = count;
		given++;
	}
	return given;
}

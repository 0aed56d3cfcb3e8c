// SPDX-License-Identifier: MIT
#include "lookup.h"

#include "text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define OWN_NETNS "/proc/self/ns/net"

conn_error netns_parse(const char *text, struct netns_choice *choice)
{
	char path[64] = "/proc/";
	const char *file = text;
	struct stat st;
	uint64_t pid;

	if (strcmp(text, "any") == 0) {
		choice->kind = NETNS_ANY;
		return NULL;
	}
	if (parse_number(text, 1, UINT32_MAX, &pid)) {
		strcat(path, text + strspn(text, "0")); /* at most 10 digits */
		strcat(path, "/ns/net");
		file = path;
	} else if (!strchr(text, '/')) {
		return "is neither a process id nor the path of a network namespace nor 'any'";
	}
	if (stat(file, &st))
		return errno == EACCES ? "is a network namespace that may not be looked at"
				       : "is no network namespace: no such process or file";
	/* All namespaces are files of one file system, nsfs, so this tells a mistake. */
	if (file == text) {
		struct stat own;

		if (stat(OWN_NETNS, &own) == 0 && own.st_dev != st.st_dev)
			return "is a file, but no namespace";
	}
	choice->kind = NETNS_ONE;
	choice->inode = (__u32)st.st_ino;
	return NULL;
}

void lookup_open(struct lookup *lookup)
{
	lookup->maps = (struct conn_maps) { .v4 = -1, .v6 = -1 };
	/* Without it the answers have no identity; why is the other maps' to say. */
	(void)identity_open(&lookup->identities, false);
}

int lookup_open_all(struct lookup *lookup)
{
	(void)identity_open(&lookup->identities, true);
	return conn_open(&lookup->maps);
}

void lookup_refresh(struct lookup *lookup)
{
	conn_reopen(&lookup->maps);
	identity_refresh(&lookup->identities, true);
}

/* The namespace to prefer, or 0. */
static __u32 preferred(struct netns_choice *choice)
{
	struct stat st;

	if (choice->kind == NETNS_OWN_FIRST && !choice->inode && stat(OWN_NETNS, &st) == 0)
		choice->inode = (__u32)st.st_ino;
	return choice->inode;
}

/* Leave out, or put first, what the choice says. The number that is left. */
static int choose(struct netns_choice *choice, struct conn_identity *found, int count)
{
	struct conn_identity first;
	int at = 0;

	if (choice->kind == NETNS_ANY || !count)
		return count;
	while (at < count && found[at].netns != preferred(choice))
		at++;
	if (at == count)
		return choice->kind == NETNS_ONE ? 0 : count;
	first = found[at];
	if (choice->kind == NETNS_ONE) {
		found[0] = first;
		return 1;
	}
	memmove(found + 1, found, (size_t)at * sizeof(*found));
	found[0] = first;
	return count;
}

static int bare_answer(struct lookup *lookup, const struct conn *conn, struct answer *answer)
{
	int *map = conn->is_v6 ? &lookup->maps.v6 : &lookup->maps.v4;
	int rc;

	if (*map < 0 && conn_open_for(&lookup->maps, conn) < 0)
		return -ENODEV;
	rc = conn_lookup(&lookup->maps, conn, &answer->pid);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	answer->conn = *conn;
	answer->has_identity = false;
	answer->matches = 1;
	return 1;
}

static bool is_one_of(conn_pid pid, const struct conn_identity *found, int count)
{
	for (int i = 0; i < count; i++)
		if (found[i].pid == pid)
			return true;
	return false;
}

int lookup_answers(struct lookup *lookup, const struct conn *conn,
		   const struct identity_query *query, struct answer answers[IDENTITY_WAYS])
{
	struct conn_identity found[IDENTITY_WAYS];
	int total, count;

	total = identity_find(&lookup->identities, query, found);
	if (total < 0)
		return total;
	count = choose(&lookup->netns, found, total);
	/*
	 * Another namespace's, unless the own one's was overwritten: then the bare PID is
	 * of somebody else, and that is the one to name.
	 */
	if (count && lookup->netns.kind == NETNS_OWN_FIRST &&
	    found[0].netns != preferred(&lookup->netns)) {
		int bare = bare_answer(lookup, conn, &answers[0]);

		/* Who can't be ruled out is not passed over. */
		if (bare < 0 || (bare == 1 && !is_one_of(answers[0].pid, found, count)))
			return bare;
	}
	/* A bare PID says nothing of its namespace. */
	if (!count)
		return total == 0 && lookup->netns.kind != NETNS_ONE
			       ? bare_answer(lookup, conn, &answers[0])
			       : 0;
	for (int i = 0; i < count; i++) {
		answers[i].conn = *conn;
		answers[i].pid = found[i].pid;
		answers[i].has_identity = true;
		identity_copy(&answers[i].identity, &found[i]);
		answers[i].matches = total;
	}
	return count;
}

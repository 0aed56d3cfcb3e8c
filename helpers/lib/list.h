/* SPDX-License-Identifier: MIT */
/* The table of tracked connections, from its first entry to its last. */
#ifndef CONNPIN_LIB_LIST_H
#define CONNPIN_LIB_LIST_H

#include "entry.h"

struct list {
	struct conn_maps maps;
	struct identity_table identities;
};

/* 0, or -errno after one line on standard error. */
int list_open(struct list *list);

/* Whatever is pinned by now instead of what was, for who lists again. */
void list_refresh(struct list *list);

/*
 * A line on standard output for each entry that FILTER wants; before the first, once it is
 * known that the table can be read, a call of BEGIN, if that is not NULL. 0 or -errno: of
 * the table, or as out_flush() has it.
 */
int list_print(const struct list *list, const struct entry_filter *filter, bool json,
	       void (*begin)(void));

#endif

/* SPDX-License-Identifier: MIT */
/* All tracked connections: what conn-list and GET /cgi-bin/list print. */
#ifndef CONNPIN_LIB_LIST_H
#define CONNPIN_LIB_LIST_H

#include "entry.h"

struct list {
	struct conn_maps maps;
	struct identity_table identities;
	struct identity_table inbound;
};

/* Open the maps. 0, or -errno after one line on standard error. */
int list_open(struct list *list);

/* Open the maps that are pinned now instead, for a caller that lists again. */
void list_refresh(struct list *list);

/*
 * Print a line for each entry that FILTER takes. BEGIN, unless it is NULL, is called when the
 * table turns out to be readable, before anything is printed. 0, the -errno of reading the
 * table, or that of out_flush().
 */
int list_print(const struct list *list, const struct entry_filter *filter, bool json,
	       void (*begin)(void));

#endif

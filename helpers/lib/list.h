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

/*
 * Open the maps. 0; or -errno after one line on standard error, also when what FILTER asks
 * for is not recorded here: then there would be no line, as if there were no connection.
 */
int list_open(struct list *list, const struct entry_filter *filter);

/* Open the maps that are pinned now instead, for a caller that lists again. As list_open(). */
int list_refresh(struct list *list, const struct entry_filter *filter);

/*
 * Whether what FILTER asks for is recorded here: 0, or -errno after such a line. INBOUND is
 * the table of accepted connections and of sockets that listen, after identity_open().
 */
int list_check(const struct entry_filter *filter, const struct identity_table *inbound);

/*
 * Print a line for each entry that FILTER takes. BEGIN, unless it is NULL, is called when the
 * table turns out to be readable, before anything is printed. 0, the -errno of reading the
 * table, or that of out_flush().
 */
int list_print(const struct list *list, const struct entry_filter *filter, bool json,
	       void (*begin)(void));

#endif

/* SPDX-License-Identifier: MIT */
/* "conn-list -f": each new connection as it appears. */
#ifndef CONNPIN_LIB_FOLLOW_H
#define CONNPIN_LIB_FOLLOW_H

#include "entry.h"

/*
 * Print each connection that is recorded from now on and that FILTER takes, once, in the
 * order of time, within a tenth of a second. It returns only when standard output can't be
 * written or the table can't be read: the exit status.
 */
int follow(const struct entry_filter *filter, bool json);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef CONNPIN_LIB_FOLLOW_H
#define CONNPIN_LIB_FOLLOW_H

#include "entry.h"

/*
 * Print each connection that is recorded from now on, once, in the order of time,
 * within a tenth of a second. Until standard output can't be written, or the table
 * can't be read. Returns the exit status.
 */
int follow(const struct entry_filter *filter, bool json);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef CONNPIN_LIB_BATCH_H
#define CONNPIN_LIB_BATCH_H

#include "lookup.h"

/*
 * Answer "PROTOCOL DST SRC_PORT DST_PORT" lines of standard input with a JSON
 * object each, in order, until end of file. Whatever can be answered from what
 * was read is written before more input is waited for. Returns the exit status.
 *
 * The facts of /proc are read once for each process and piece of input, so that an
 * answer is true of some moment between its question and itself.
 */
int answer_batch(const struct netns_choice *netns, bool want_cmdline);

#endif

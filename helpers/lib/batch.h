/* SPDX-License-Identifier: MIT */
/* "conn-lookup -": many questions, one a line, each answered with a JSON object on a line. */
#ifndef CONNPIN_LIB_BATCH_H
#define CONNPIN_LIB_BATCH_H

#include "lookup.h"

/*
 * Answer the lines "PROTOCOL DST SRC_PORT DST_PORT [SRC]" of standard input, in order, until
 * end of file. Whatever has been read is answered before more input is waited for. Returns
 * the exit status: EXIT_FOUND, or EXIT_MISUSE when the input can't be read, or
 * EXIT_UNAVAILABLE when the maps can't be read or the output not written.
 *
 * /proc is read once for each process and piece of input, so an answer is true of some
 * moment between its question and itself.
 */
int answer_batch(const struct netns_choice *netns, bool want_cmdline);

#endif

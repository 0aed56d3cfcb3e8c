/* SPDX-License-Identifier: MIT */
#ifndef CONNPIN_BATCH_H
#define CONNPIN_BATCH_H

/*
 * Answer "PROTOCOL DST SRC_PORT DST_PORT" lines of standard input with a JSON
 * object each, in order, until end of file. Whatever can be answered from what
 * was read is written before more input is waited for. Returns the exit status.
 */
int answer_batch(void);

#endif

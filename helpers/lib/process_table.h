/* SPDX-License-Identifier: MIT */
/*
 * The process table, the map conn_process, as the helpers read it: what was written down of a
 * process when its first connection was recorded. Its layout is in bpf/process.h.
 */
#ifndef CONNPIN_LIB_PROCESS_TABLE_H
#define CONNPIN_LIB_PROCESS_TABLE_H

#include "../../bpf/identity.h"
#include "../../bpf/process.h"

#include <stdbool.h>

/*
 * Copy the record of the process that IDENTITY names, as it was between the same two execs.
 * False when there is none, because it made room for others or the table can't be read. The
 * table is opened by the first call.
 */
bool process_table_find(const struct conn_identity *identity, struct conn_process *record);

#endif

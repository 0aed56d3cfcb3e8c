/* SPDX-License-Identifier: MIT */
/*
 * The sockets that are neither TCP nor UDP (bpf/other_sockets.h): what conn-list --sockets
 * and GET /cgi-bin/list?sockets=1 print. One table of fields, in other_sockets.c, is the JSON.
 */
#ifndef CONNPIN_LIB_OTHER_SOCKETS_H
#define CONNPIN_LIB_OTHER_SOCKETS_H

#include "entry.h"

#include "../../bpf/other_sockets.h"

/* The words for the kinds, in the order of bpf/other_sockets.h. */
extern const char *const other_kinds[OTHER_KINDS];

/*
 * Whether FILTER asks for nothing that only connections have: a protocol, an address, ports,
 * a direction or a state.
 */
bool others_fit(const struct entry_filter *filter);

/*
 * Open the map. A descriptor, or -errno after one line on standard error, which tells a
 * feature that is off from connpin that is not attached.
 */
int others_open(void);

/*
 * Print a line for each socket that FILTER takes: a JSON object, or KIND PROTOCOL PID STATUS
 * HELD COMM. BEGIN, unless it is NULL, is called when the map turns out to be readable,
 * before anything is printed. 0, the -errno of reading the map, or that of out_flush().
 */
int others_print(int map, const struct entry_filter *filter, bool json, void (*begin)(void));

#endif

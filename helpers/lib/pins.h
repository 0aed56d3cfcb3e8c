/* SPDX-License-Identifier: MIT */
#ifndef CONNPIN_LIB_PINS_H
#define CONNPIN_LIB_PINS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Open PIN_DIR/maps/NAME for reading only, as the file mode of the pin allows
 * (BPF_F_RDONLY needs no capability). -errno after one line on standard error
 * that says what to do.
 */
int open_map_or_warn(const char *name);

/* The same for any FLAGS, and without a message. */
int open_map(const char *name, unsigned flags);

/* Open the pin of an iterator, PIN_DIR/NAME, as a file. -errno. */
int open_pin(const char *name);

/*
 * When PIN_DIR/NAME was pinned, a directory: its last program; in nanoseconds since
 * 1970. 0: not there.
 */
uint64_t pinned_at_ns(const char *name);

/* The inode number of that pin, another for each map that was ever pinned; 0: none. */
unsigned long map_inode(const char *name);

/* The group that may read the connection table. False: there is none, or it can't be seen. */
bool readers_group(uint32_t *gid);

#endif

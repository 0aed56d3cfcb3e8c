/* SPDX-License-Identifier: MIT */
/*
 * What is pinned below PIN_DIR, which pin_dir() finds: maps/NAME, OBJECT/PROGRAM and
 * links/NAME.
 */
#ifndef CONNPIN_LIB_PINS_H
#define CONNPIN_LIB_PINS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Open PIN_DIR/maps/NAME for reading alone, which takes no capability where the mode of the
 * file allows it. A descriptor; or -errno after one line on standard error that says what to
 * do.
 */
int open_map_or_warn(const char *name);

/* Open the same without a message. FLAGS are BPF_F_RDONLY, or 0 for writing as well. */
int open_map(const char *name, unsigned flags);

/* Open PIN_DIR/NAME, the pin of an iterator, as a file: to read it is to run it. -errno. */
int open_pin(const char *name);

/*
 * When PIN_DIR/NAME was pinned, or if it is a directory, the last pin in it: in nanoseconds
 * since 1970. 0 when it is not there.
 */
uint64_t pinned_at_ns(const char *name);

/* The inode number of PIN_DIR/maps/NAME, which differs for each map ever pinned; 0: no pin. */
unsigned long map_inode(const char *name);

/* Find the group that may read the connection table. False when there is none, or no table. */
bool readers_group(uint32_t *gid);

#endif

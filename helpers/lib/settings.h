/* SPDX-License-Identifier: MIT */
/* The settings, from a file and the environment. Nothing in either is ever run. */
#ifndef CONNPIN_LIB_SETTINGS_H
#define CONNPIN_LIB_SETTINGS_H

#include <stdbool.h>

/*
 * Print each setting as "NAME:LINE=value", once all are known to be right: LINE is where FILE
 * has it, 0 when it is of the environment, which goes first, or the default; a value has no
 * control character and 4095 bytes at the most. FILE, of 64 KiB at the most, may be NULL.
 * LENIENT leaves out what is wrong, and tells it, unless it says where connpin is attached.
 *
 * EXIT_FOUND; or after one line on standard error EXIT_MISUSE, for what is wrong, or
 * EXIT_UNAVAILABLE, when FILE can't be read.
 */
int print_settings(const char *file, bool lenient);

/*
 * Print the table of settings: a name, a tab, the default or the name of the setting that
 * gives it, a tab, and of a number "MIN to MAX".
 */
void print_settings_table(void);

#endif

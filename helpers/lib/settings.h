/* SPDX-License-Identifier: MIT */
/*
 * The settings: one table of their names, defaults and rules, and the values that a file and
 * the environment give them. Nothing in either is ever run.
 */
#ifndef CONNPIN_LIB_SETTINGS_H
#define CONNPIN_LIB_SETTINGS_H

#include <stdbool.h>

/*
 * Print each setting as "NAME:LINE=value" when all of them are right. The environment goes
 * before FILE, and FILE, which may be NULL, before the default. LINE is the line of FILE, or
 * 0 when the value is of the environment or the default. A value is UTF-8 without control
 * characters, of 4095 bytes at the most, and FILE has 64 KiB at the most.
 *
 * With LENIENT a setting that is wrong is reported and has its default, unless it says where
 * connpin is attached.
 *
 * Returns EXIT_FOUND; or after one line on standard error EXIT_MISUSE when something is wrong,
 * or EXIT_UNAVAILABLE when FILE can't be read.
 */
int print_settings(const char *file, bool lenient);

/*
 * Print the table of settings: a name, a tab, the default or the name of the setting that
 * gives it, a tab, and of a number "MIN to MAX".
 */
void print_settings_table(void);

#endif

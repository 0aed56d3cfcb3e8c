/* SPDX-License-Identifier: MIT */
#ifndef CONNPIN_LIB_CGROUP_PATH_H
#define CONNPIN_LIB_CGROUP_PATH_H

#include <linux/types.h>
#include <stddef.h>

/*
 * The path of the cgroup (version 2) with this id, below the root of its hierarchy, as
 * /proc/PID/cgroup has it. Its length, or -1 when it is gone, too long, or may not be
 * asked: that needs CAP_DAC_READ_SEARCH.
 */
int cgroup_path(__u64 id, char *path, size_t size);

#endif

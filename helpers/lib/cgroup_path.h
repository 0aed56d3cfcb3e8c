/* SPDX-License-Identifier: MIT */
/* The path of a cgroup of which only the id is known, as when its processes have ended. */
#ifndef CONNPIN_LIB_CGROUP_PATH_H
#define CONNPIN_LIB_CGROUP_PATH_H

#include <linux/types.h>
#include <stddef.h>

/*
 * Find the path of the cgroup (version 2) with this id, below the root of its hierarchy, as
 * /proc/PID/cgroup has it. It is not ended by a NUL. Returns its length, or -1 when the
 * cgroup was removed, when the path has SIZE bytes or more, and when the caller lacks
 * CAP_DAC_READ_SEARCH.
 */
int cgroup_path(__u64 id, char *path, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/* The metrics of TCP by cgroup. */
#ifndef CONNPIN_LIB_METRICS_BY_CGROUP_H
#define CONNPIN_LIB_METRICS_BY_CGROUP_H

/* Read the maps; an older connpin has none, and then nothing is printed. 0 or -errno. */
int read_cgroups(void);

/* Print what was read. */
void print_cgroups(void);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef CONNPIN_LIB_METRICS_BY_CGROUP_H
#define CONNPIN_LIB_METRICS_BY_CGROUP_H

/* Read the metrics by cgroup; there are none with a build of before. 0 or -errno. */
int read_cgroups(void);

/* Put what was read on standard output. */
void print_cgroups(void);

#endif

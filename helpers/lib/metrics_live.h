/* SPDX-License-Identifier: MIT */
#ifndef CONNPIN_LIB_METRICS_LIVE_H
#define CONNPIN_LIB_METRICS_LIVE_H

#include "../../bpf/tcp_monitor.h"

/*
 * Read the sockets of this moment; what they carried is in the counters when this
 * returns. 0 or -errno: -ENOENT with a build of before.
 */
int read_sockets(struct tcp_live *live);

void print_sockets(const struct tcp_live *live);

#endif

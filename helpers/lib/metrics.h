/* SPDX-License-Identifier: MIT */
#ifndef CONNPIN_LIB_METRICS_H
#define CONNPIN_LIB_METRICS_H

#include <stdbool.h>

/*
 * Put HEAD and the metrics of the whole host on standard output, as Prometheus text or
 * as OpenMetrics. Returns the exit status; unless it is 0 there was a message, and
 * nothing else.
 */
int print_metrics(const char *head, bool openmetrics);

#endif

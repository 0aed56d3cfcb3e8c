/* SPDX-License-Identifier: MIT */
/* The metrics: what tcp-metrics and GET /cgi-bin/metrics print. */
#ifndef CONNPIN_LIB_METRICS_H
#define CONNPIN_LIB_METRICS_H

#include <stdbool.h>

/*
 * Print HEAD and then the metrics of the whole host, in the format of Prometheus or as
 * OpenMetrics. Returns EXIT_FOUND; or EXIT_UNAVAILABLE after one line on standard error, when
 * nothing is printed.
 */
int print_metrics(const char *head, bool openmetrics);

#endif

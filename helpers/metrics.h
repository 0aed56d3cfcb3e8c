/* SPDX-License-Identifier: MIT */
#ifndef CONNPIN_METRICS_H
#define CONNPIN_METRICS_H

/*
 * Put HEAD and the counters of the whole host, in the Prometheus text format, on
 * standard output. One look-up returns a struct tcp_metrics for each possible CPU;
 * they are added up here. Returns the exit status; unless it is 0 there was a
 * message, and nothing else.
 */
int print_metrics(const char *head);

#endif

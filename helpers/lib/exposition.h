/* SPDX-License-Identifier: MIT */
/*
 * Metrics as text on standard output, in one of two formats: that of Prometheus
 * (version 0.0.4), and OpenMetrics 1.0.
 *
 * A family is begun, then its samples follow, each sample(), its labels, its value.
 */
#ifndef CONNPIN_LIB_EXPOSITION_H
#define CONNPIN_LIB_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

enum kind { COUNTER, GAUGE, HISTOGRAM, INFO };

/* To be said before the first family: the format, and since when counters count. */
void use_openmetrics(uint64_t created_ns);

/* NAME without "_total" or "_info"; UNIT is its last word, or NULL. */
void family(enum kind kind, const char *name, const char *unit, const char *help);

/* The suffix is put after the name: "", "_total", "_bucket"... */
void sample(const char *suffix);
void label(const char *name, const char *value);
void value(uint64_t n);

/* N divided by 10 to the power of DECIMALS. */
void value_scaled(uint64_t n, unsigned decimals);

/* A sample of a counter with at most one label (NULL: none), as the format wants it. */
void counter(const char *label_name, const char *label_value, uint64_t n);
void counter_labels(const char *const *names, const char *const *values, size_t labels, uint64_t n);

/* A counter with a label of its own time of creation, divided as by value_scaled. */
void counter_since(const char *label_name, const char *label_value, uint64_t n, unsigned decimals,
		   uint64_t since_ns);

/*
 * The samples of a histogram: COUNT buckets, not cumulative, the last without a bound;
 * BOUNDS are the texts of the others. SUM is divided as by value_scaled.
 */
void histogram(const __u64 *buckets, const char *const *bounds, size_t count, uint64_t sum,
	       unsigned decimals);

/* What ends the text. */
void end_of_metrics(void);

#endif

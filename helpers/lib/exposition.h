/* SPDX-License-Identifier: MIT */
/*
 * Metrics as text on standard output, in the format of Prometheus (version 0.0.4) or as
 * OpenMetrics 1.0.
 *
 * A family() is begun, then its samples follow. Each is a sample(), then a label() for each
 * of its labels, then its value(); the functions below print all three.
 */
#ifndef CONNPIN_LIB_EXPOSITION_H
#define CONNPIN_LIB_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

enum kind { COUNTER, GAUGE, HISTOGRAM, INFO };

/*
 * Print OpenMetrics, where counters began to count at CREATED_NS, in nanoseconds since 1970.
 * To be called before the first family.
 */
void use_openmetrics(uint64_t created_ns);

/*
 * Begin a family. NAME is without "_total" or "_info", and stays in use until the next
 * family. UNIT is the last word of it, or NULL when that is no unit.
 */
void family(enum kind kind, const char *name, const char *unit, const char *help);

/* Begin a sample, whose name is the family's with SUFFIX: "", "_total", "_bucket"... */
void sample(const char *suffix);

/* Add a label. VALUE may hold any byte: it is escaped, and what is not UTF-8 is replaced. */
void label(const char *name, const char *value);

/* End a sample with its value. */
void value(uint64_t n);

/* End it with the value N / 10^DECIMALS, exactly; DECIMALS is 9 at most. */
void value_scaled(uint64_t n, unsigned decimals);

/* Print the sample of a counter with one label, or none when LABEL_NAME is NULL. */
void counter(const char *label_name, const char *label_value, uint64_t n);

/* Print the sample of a counter with any number of labels. */
void counter_labels(const char *const *names, const char *const *values, size_t labels, uint64_t n);

/*
 * Print the sample of a counter with one label that has counted since SINCE_NS, in
 * nanoseconds since 1970. The value is N / 10^DECIMALS.
 */
void counter_since(const char *label_name, const char *label_value, uint64_t n, unsigned decimals,
		   uint64_t since_ns);

/*
 * Print the samples of a histogram. BUCKETS has COUNT numbers that are not cumulative, the
 * last being what is over all bounds; BOUNDS has the texts of the COUNT - 1 bounds. The sum
 * of what was observed is SUM / 10^DECIMALS.
 */
void histogram(const __u64 *buckets, const char *const *bounds, size_t count, uint64_t sum,
	       unsigned decimals);

/* Print what ends the text in this format. To be called after the last sample. */
void end_of_metrics(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What each benchmark program needs: clocks, medians, a random order.
 *
 * Noise on a shared machine comes in stretches longer than one measurement. So
 * the things that are compared take turns, in a new order each round. What is
 * told of each is the median of its samples and the median of its ratios to the
 * first one's sample of the same round, which drift touches least.
 */
#ifndef CONNPIN_BENCH_MEASURE_H
#define CONNPIN_BENCH_MEASURE_H

#define _GNU_SOURCE /* sched_setaffinity: include this before any other header */

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Exits with 1 and a line on standard error: nothing could be measured. */
static inline __attribute__((noreturn)) void die(const char *what, const char *name)
{
	fprintf(stderr, "bench: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static inline void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		die("cannot allocate", "memory");
	return memory;
}

static inline int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts VALUES. */
static inline double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/*
 * One line, "NAME MEDIAN RATIO": the median of SAMPLES in nanoseconds, and that
 * of their ratios to those of the FIRST in the same round.
 */
static inline void report(const char *name, const int64_t *samples, const int64_t *first,
			  size_t rounds)
{
	double *values = allocate(rounds, sizeof(*values));
	double ns;

	for (size_t i = 0; i < rounds; i++)
		values[i] = (double)samples[i];
	ns = median(values, rounds);
	for (size_t i = 0; i < rounds; i++)
		values[i] = (double)samples[i] / (double)first[i];
	printf("%s %.0f %.3f\n", name, ns, median(values, rounds));
	free(values);
}

/* Put the numbers from 0 to COUNT - 1 into ORDER, shuffled. */
static inline void shuffle(unsigned *order, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned j = (unsigned)rand() % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
}

/* Stay on the CPU this process is on now, so that no sample pays for a move. */
static inline void stay_on_this_cpu(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : (unsigned)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot stay on", "one CPU");
}

/* A whole number above 0, or the end. */
static inline unsigned count_argument(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	errno = EINVAL;
	if (*end || n < 1 || n > 1000000)
		die("not a count:", text);
	return (unsigned)n;
}

#endif

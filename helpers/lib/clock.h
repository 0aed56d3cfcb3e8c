/* SPDX-License-Identifier: MIT */
/* Clocks, in nanoseconds. */
#ifndef CONNPIN_LIB_CLOCK_H
#define CONNPIN_LIB_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND 1000000000u

/* The time of CLOCK now: since boot, or since 1970 for CLOCK_REALTIME. It can't fail. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

#endif

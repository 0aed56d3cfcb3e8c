/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Comparisons without a branch. At each branch the verifier goes on in two states, and in a
 * loop over records it meets every combination of them. BPF side only.
 */
#ifndef CONNPIN_ARITHMETIC_BPF_H
#define CONNPIN_ARITHMETIC_BPF_H

#include "kernel.h"

/* 1 when X is 0, else 0. */
static __always_inline __u32 is_zero(__u32 x)
{
	return ((__u64)x - 1) >> 63;
}

static __always_inline __u32 is_zero64(__u64 x)
{
	return ((x | (0 - x)) >> 63) ^ 1;
}

/* A when CONDITION is 1, B when it is 0. */
static __always_inline __u32 select(__u32 condition, __u32 a, __u32 b)
{
	barrier_var(condition);
	return b ^ ((a ^ b) & (0 - condition));
}

/* The lower of A and B: the borrow of A - B selects it. */
static __always_inline __u64 lower_of(__u64 a, __u64 b)
{
	__u64 is_less = ((~a & b) | ((~a | b) & (a - b))) >> 63;

	/* So that clang does not turn it into a branch. */
	barrier_var(is_less);
	return b ^ ((a ^ b) & (0 - is_less));
}

#endif

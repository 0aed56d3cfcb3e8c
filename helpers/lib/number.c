// SPDX-License-Identifier: MIT
#include "number.h"

const char *scan_u64(const char *s, uint64_t *n)
{
	const char *start = s;
	uint64_t value = 0;
	unsigned digit;

	for (; (digit = (unsigned)*s - '0') <= 9; s++) {
		/* Fewer digits can't be too many. */
		if (s - start >= NUMBER_DIGITS - 1 && value > (UINT64_MAX - digit) / 10)
			return NULL;
		value = value * 10 + digit;
	}
	*n = value;
	return s > start ? s : NULL;
}

bool parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *n)
{
	const char *end = scan_u64(s, n);

	return end && !*end && *n >= min && *n <= max;
}

void format_u64(char *text, uint64_t n)
{
	*put_u64(text, n) = '\0';
}

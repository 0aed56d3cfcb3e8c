/* SPDX-License-Identifier: MIT */
/*
 * Numbers as text: decimal digits and nothing else, no sign, no space, no locale. Whatever
 * the helpers read or print in decimal goes through here.
 */
#ifndef CONNPIN_LIB_NUMBER_H
#define CONNPIN_LIB_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_DIGITS 20 /* 2^64 - 1 has as many */

/*
 * Read the text S as a number from MIN to MAX. False when a byte of it is no digit, when
 * there is none, or when the number is out of range; *N is then not to be used.
 */
bool parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *n);

/*
 * Read the digits that S begins with. Returns what follows them, or NULL when there is no
 * digit or the number is larger than 2^64 - 1.
 */
const char *scan_u64(const char *s, uint64_t *n);

/* Write N at TEXT, which has room for NUMBER_DIGITS and a NUL, and end it with the NUL. */
void format_u64(char *text, uint64_t n);

/* Write N at TO, NUMBER_DIGITS bytes at most and no NUL. Returns what follows it. */
static inline char *put_u64(char *to, uint64_t n)
{
	unsigned length = 1;
	char *p;

	for (uint64_t power = 10; n >= power && length < NUMBER_DIGITS; power *= 10)
		length++;
	for (p = to + length; p > to; n /= 10)
		*--p = (char)('0' + n % 10);
	return to + length;
}

#endif

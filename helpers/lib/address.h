/* SPDX-License-Identifier: MIT */
/*
 * An address of either family. IPv4 is kept as the IPv4-mapped ::ffff:a.b.c.d, so that one
 * comparison serves both; this is the only place that knows the prefix.
 */
#ifndef CONNPIN_LIB_ADDRESS_H
#define CONNPIN_LIB_ADDRESS_H

#include <arpa/inet.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* In network byte order, as the BPF maps and the kernel have it. */
struct address {
	union {
		__u32 word[4];
		uint8_t byte[16];
	};
};

#define ADDRESS_TEXT_MAX (INET6_ADDRSTRLEN - 1) /* characters of the longest text */

/* Read an IPv4 or IPv6 address, without brackets or a zone. False when TEXT is none. */
bool parse_address(const char *text, struct address *address);

/*
 * Write the address at TO, ADDRESS_TEXT_MAX bytes at most and no NUL. Returns what follows
 * it. IPv4 is written as a.b.c.d, IPv6 as RFC 5952 says.
 */
char *put_address(char *to, const struct address *address);

/* Append it to standard output. */
void out_address(const struct address *address);

static inline bool address_is_v4(const struct address *address)
{
	return !address->word[0] && !address->word[1] && address->word[2] == htonl(0xffff);
}

static inline struct address address_from_v4(__u32 ip)
{
	return (struct address) { .word = { 0, 0, htonl(0xffff), ip } };
}

/* The four bytes of an IPv4 address, in network byte order. */
static inline __u32 address_v4(const struct address *address)
{
	return address->word[3];
}

/* From 16 bytes that may not be aligned, such as the member of a packed key. */
static inline struct address address_from_v6(const void *bytes)
{
	struct address address;

	memcpy(&address, bytes, sizeof(address));
	return address;
}

static inline bool address_equal(const struct address *a, const struct address *b)
{
	__u64 x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return x[0] == y[0] && x[1] == y[1];
}

/* Whether it is :: or 0.0.0.0, which stand for every address. */
static inline bool address_is_any(const struct address *address)
{
	return !address->word[0] && !address->word[1] && !address->word[3] &&
	       (!address->word[2] || address_is_v4(address));
}

#endif

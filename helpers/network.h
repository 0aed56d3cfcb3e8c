/* SPDX-License-Identifier: MIT */
/* Addresses and networks, IPv4 and IPv6 alike. */
#ifndef CONNPIN_NETWORK_H
#define CONNPIN_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

/* All of them as IPv6, an IPv4 one as ::ffff:a.b.c.d: one comparison serves both. */
struct network {
	uint8_t address[16]; /* network order */
	unsigned prefix;     /* bits that count, 0 to 128 */
};

/* An address: a network of 128 bits. False when TEXT is none. */
bool parse_address(const char *text, struct network *address);

/* An address, or ADDRESS/BITS. What ADDRESS has behind those bits does not count. */
bool parse_network(const char *text, struct network *network);

bool network_has(const struct network *network, const struct network *address);

/*
 * Whether ADDRESS is in one of LIST's networks, separated by spaces. All are read, so that
 * a typo in the last one shows: -1 when there is one, else 0 or 1. An empty list has nobody.
 */
int networks_have(const char *list, const struct network *address);

#endif

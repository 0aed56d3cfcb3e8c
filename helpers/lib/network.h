/* SPDX-License-Identifier: MIT */
/* Addresses and networks, IPv4 and IPv6 alike. */
#ifndef CONNPIN_LIB_NETWORK_H
#define CONNPIN_LIB_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

/* All of them as IPv6, an IPv4 one as ::ffff:a.b.c.d: one comparison serves both. */
struct network {
	uint8_t address[16]; /* network order */
	unsigned prefix;     /* bits that count, 0 to 128 */
};

/* An address: a network of 128 bits. False when TEXT is none. */
bool parse_address(const char *text, struct network *address);

/*
 * Where a server listens: PORT, IPv4:PORT or [IPv6]:PORT. PORT alone is every address, as ::
 * and 0.0.0.0 are: see is_every_address().
 */
bool parse_listen_address(const char *text, struct network *address, uint16_t *port);

/* :: or 0.0.0.0. */
bool is_every_address(const struct network *address);

/* Whether it is ::ffff:a.b.c.d: then a.b.c.d is in the last four bytes. */
bool is_ipv4(const struct network *address);

/* An address, or ADDRESS/BITS. What ADDRESS has behind those bits does not count. */
bool parse_network(const char *text, struct network *network);

bool network_has(const struct network *network, const struct network *address);

/*
 * Whether ADDRESS is in one of LIST's networks, separated by spaces. All are read, so that
 * a typo in the last one shows: -1 when there is one, else 0 or 1. An empty list has nobody.
 */
int networks_have(const char *list, const struct network *address);

#endif

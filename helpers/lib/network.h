/* SPDX-License-Identifier: MIT */
/* Where a server listens, and networks of addresses, as the settings have them. */
#ifndef CONNPIN_LIB_NETWORK_H
#define CONNPIN_LIB_NETWORK_H

#include "address.h"

#include <stdbool.h>
#include <stdint.h>

struct network {
	struct address address;
	unsigned prefix; /* bits of the address that count, 0 to 128 */
};

/*
 * Read where a server listens: PORT, IPv4:PORT or [IPv6]:PORT, the port from 1 to 65535 in
 * host byte order. A PORT alone is every address, as :: and 0.0.0.0 are: see
 * address_is_any(). False when TEXT is none of these.
 */
bool parse_listen_address(const char *text, struct address *address, uint16_t *port);

/*
 * Read an address, or ADDRESS/BITS. What ADDRESS has behind those bits does not count.
 * False when TEXT is neither.
 */
bool parse_network(const char *text, struct network *network);

bool network_has(const struct network *network, const struct address *address);

/*
 * Whether ADDRESS is in one of LIST's networks, which are separated by spaces: 1 or 0. All
 * of them are read, so that a typo in the last one shows: then the answer is -1. An empty
 * list has nobody.
 */
int networks_have(const char *list, const struct address *address);

#endif

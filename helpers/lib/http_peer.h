/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a TCP connection to this host: the kernel's word, by netlink. */
#ifndef CONNPIN_LIB_HTTP_PEER_H
#define CONNPIN_LIB_HTTP_PEER_H

#include "address.h"

/* Of our own network namespace: a client of another one is another host. */
struct peer {
	struct address address; /* the client's */
	uint16_t port;
	struct address server; /* what it is connected to; every address: not known */
	uint16_t server_port;  /* 0: not known */
};

/* Whether ADDRESS is one of this host's own. 1 or 0, or -errno. */
int peer_is_here(const struct address *address);

/*
 * The user whose socket the client's end is, as the initial user namespace has it: who made
 * the socket, whoever holds it by now. 0, or
 * -ENOENT  no process has that socket: it was closed, or it is of another network namespace;
 * -EREMOTE we are in a user namespace, where the kernel shows other numbers;
 * -EMLINK  PEER is of several users, the server's address not being known;
 * or another -errno, of netlink.
 */
int peer_uid(const struct peer *peer, uint32_t *uid);

#endif

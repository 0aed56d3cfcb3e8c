/* SPDX-License-Identifier: MIT */
/*
 * Who is at the other end of a TCP connection to this host, as the kernel tells it by
 * netlink.
 */
#ifndef CONNPIN_LIB_HTTP_PEER_H
#define CONNPIN_LIB_HTTP_PEER_H

#include "address.h"

/*
 * A connection from the client's end. Only the own network namespace is asked: a client in
 * another one counts as another host. Ports are in host byte order.
 */
struct peer {
	struct address address; /* the client's */
	uint16_t port;
	struct address server; /* what it is connected to; :: or 0.0.0.0 when not known */
	uint16_t server_port;  /* 0 when not known */
};

/* Whether ADDRESS is one of this host's own: 1 or 0, or the -errno of netlink. */
int peer_is_here(const struct address *address);

/*
 * Find the user who made the client's socket, whoever holds it now. *UID is as the initial
 * user namespace numbers users. 0, or
 * -ENOENT  no process has that socket: it was closed, or it is in another network namespace;
 * -EREMOTE this process is in a user namespace, where the kernel shows other numbers;
 * -EMLINK  several users have such a socket, and the server's address is not known;
 * or another -errno, which is that of netlink.
 */
int peer_uid(const struct peer *peer, uint32_t *uid);

#endif

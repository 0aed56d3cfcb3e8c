/* SPDX-License-Identifier: MIT */
/*
 * A connection as the helpers know it: read from what a person types, looked up in the
 * connection table, the maps conn_to_pid_v4 and conn_to_pid_v6.
 */
#ifndef CONNPIN_LIB_CONN_H
#define CONNPIN_LIB_CONN_H

#include "../../bpf/port_tracker.h"

#include "address.h"

#include <stdbool.h>
#include <stdint.h>

/* What identifies a connection, seen from this host. */
struct conn {
	struct address dst;
	uint16_t src_port; /* host byte order, as in the maps */
	uint16_t dst_port;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP; a map may hold another one */
};

/* The source address that a connection should have. */
struct conn_source {
	bool is_asked; /* false: any will do */
	struct address address;
};

/* What a parser found wrong, as the end of the sentence "'TEXT' ..."; NULL when nothing. */
typedef const char *conn_error;

conn_error conn_parse_protocol(const char *text, uint8_t *protocol);
conn_error conn_parse_address(const char *text, struct address *address);
conn_error conn_parse_port(const char *text, uint16_t *port);
conn_error conn_parse_source(const char *text, struct conn_source *source);

/* "tcp" or "udp"; NULL for another protocol, which has a number alone. */
const char *conn_protocol_name(uint8_t protocol);

/* The connection of a key of conn_to_pid_v4 or conn_to_pid_v6. */
struct conn conn_of_key_v4(const struct conn_key_v4 *key);
struct conn conn_of_key_v6(const struct conn_key_v6 *key);

/* The other way round: the key of a connection as IPv6, an IPv4 address as ::ffff:a.b.c.d. */
static inline struct conn_key_v6 conn_key_v6(const struct conn *conn)
{
	return (struct conn_key_v6) {
		.dst_ip = { conn->dst.word[0], conn->dst.word[1], conn->dst.word[2],
			    conn->dst.word[3] },
		.src_port = conn->src_port,
		.dst_port = conn->dst_port,
		.protocol = conn->protocol,
	};
}

/* The connection table, opened. */
struct conn_maps {
	int v4; /* descriptor of the map, or negative when it is not open */
	int v6;
	unsigned long v4_inode; /* of the pins, as conn_open() found them */
	unsigned long v6_inode;
};

/* Open both maps for reading. 0, or -errno after one line on standard error. */
int conn_open(struct conn_maps *maps);

/*
 * For a reader that stays: open the maps again when others are pinned by now, as after a
 * detach and an attach. When nothing is pinned the old maps stay open.
 */
void conn_reopen(struct conn_maps *maps);

/* Open the map that CONN would be in, unless it is open. 0, or -errno after the line. */
int conn_open_for(struct conn_maps *maps, const struct conn *conn);

/* The process that opened CONN. 0, -ENOENT when none is known, or another -errno. */
int conn_lookup(const struct conn_maps *maps, const struct conn *conn, conn_pid *pid);

#endif

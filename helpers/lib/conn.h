/* SPDX-License-Identifier: MIT */
/*
 * A connection as the helpers know it: what a person types, what the maps are
 * keyed by, and what is printed.
 */
#ifndef CONNPIN_LIB_CONN_H
#define CONNPIN_LIB_CONN_H

#include "../../bpf/port_tracker.h"

#include <stdbool.h>
#include <stdint.h>

/* The connection table, opened. Descriptors, or -errno where not open. */
struct conn_maps {
	int v4;
	int v6;
	unsigned long v4_inode; /* of the pins, as conn_open() found them */
	unsigned long v6_inode;
};

/* A connection's destination, ports and protocol. */
struct conn {
	bool is_v6;
	union {
		struct conn_key_v4 v4;
		struct conn_key_v6 v6;
	};
};

/* The source address that a connection should have. */
struct conn_source {
	bool is_asked; /* else any will do */
	__u32 ip[4];   /* IPv4 as ::ffff:a.b.c.d */
};

/* What conn_parse_*() found wrong, for a message or for JSON; NULL when nothing. */
typedef const char *conn_error;

/* Fill in a part. An IPv4-mapped address becomes IPv4. NULL, or what was wrong. */
conn_error conn_parse_protocol(const char *text, uint8_t *protocol);
conn_error conn_parse_address(const char *text, struct conn *conn);
conn_error conn_parse_port(const char *text, uint16_t *port);
conn_error conn_parse_source(const char *text, struct conn_source *source);

/* An address as IPv6, IPv4 as ::ffff:a.b.c.d, into the one of CONN and out of it. */
void conn_set_address(struct conn *conn, const __u32 ip[4]);
void conn_get_address(const struct conn *conn, __u32 ip[4]);

/* Put ports and protocol into the key of the family that the address chose. */
void conn_set_ports(struct conn *conn, uint8_t protocol, uint16_t src_port, uint16_t dst_port);

/* Open both maps for reading. 0, or -errno after one line on standard error. */
int conn_open(struct conn_maps *maps);

/*
 * For a reader that stays: open the maps again when others are pinned by now, as
 * after a detach and an attach. Without pins the old maps stay open.
 */
void conn_reopen(struct conn_maps *maps);

/* Open only the map that CONN would be in: 0, or -errno after the line. */
int conn_open_for(struct conn_maps *maps, const struct conn *conn);

/* The process that opened CONN. 0, -ENOENT, or another -errno. */
int conn_lookup(const struct conn_maps *maps, const struct conn *conn, conn_pid *pid);

/* Parts of CONN on standard output. The name of an unknown protocol is its number. */
void conn_print_protocol(const struct conn *conn);
void conn_print_address(const struct conn *conn);
uint8_t conn_protocol(const struct conn *conn);
uint16_t conn_src_port(const struct conn *conn);
uint16_t conn_dst_port(const struct conn *conn);

bool conn_same_address(const struct conn *a, const struct conn *b);

/* "protocol":"tcp","dst_ip":"...","src_port":N,"dst_port":N */
void conn_print_json_fields(const struct conn *conn);

#endif

// SPDX-License-Identifier: MIT
#include "conn.h"

#include "bpf.h"
#include "number.h"
#include "pins.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* --- what a person types ---------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP } };

#define PROTOCOLS (sizeof(protocols) / sizeof(*protocols))

conn_error conn_parse_protocol(const char *text, uint8_t *protocol)
{
	for (size_t i = 0; i < PROTOCOLS; i++) {
		if (strcmp(text, protocols[i].name) != 0)
			continue;
		*protocol = protocols[i].number;
		return NULL;
	}
	return "is not a protocol: tcp or udp";
}

const char *conn_protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < PROTOCOLS; i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

/*
 * Say what is wrong with a text that is no address. People paste what other programs
 * print: an address in brackets as in a URL, with a port, or with an interface.
 */
static conn_error explain_address(const char *text)
{
	char copy[ADDRESS_TEXT_MAX + 1];
	bool is_bracketed = *text == '[', is_v6 = false, is_v4 = false;
	const char *start = text + is_bracketed, *rest;
	size_t len = strcspn(start, is_bracketed ? "]%" : strchr(text, '%') ? "%" : ":");
	struct address address;

	if (len >= sizeof(copy))
		return "is not an IPv4 or IPv6 address";
	memcpy(copy, start, len);
	copy[len] = '\0';
	rest = start + len;
	if (parse_address(copy, &address)) {
		is_v6 = strchr(copy, ':') != NULL;
		is_v4 = !is_v6;
	}
	if (is_v6 && *rest == '%')
		return is_bracketed ? "has brackets and a zone: give it without brackets, "
				      "without %zone"
				    : "has a zone: give it without %zone";
	if (is_v6 && strcmp(rest, "]") == 0)
		return "has brackets: give it without brackets";
	if (is_v6 && strncmp(rest, "]:", 2) == 0)
		return "has brackets and a port: give it without both";
	if (is_v4 && !is_bracketed && *rest == ':')
		return "has a port: give it without :port";
	return "is not an IPv4 or IPv6 address";
}

conn_error conn_parse_address(const char *text, struct address *address)
{
	return parse_address(text, address) ? NULL : explain_address(text);
}

conn_error conn_parse_port(const char *text, uint16_t *port)
{
	uint64_t n;

	if (!parse_number(text, 1, 65535, &n))
		return "is not a port: a number from 1 to 65535";
	*port = (uint16_t)n;
	return NULL;
}

conn_error conn_parse_source(const char *text, struct conn_source *source)
{
	conn_error error = conn_parse_address(text, &source->address);

	if (error)
		return error;
	if (address_is_any(&source->address))
		return "is no address that a connection comes from";
	source->is_asked = true;
	return NULL;
}

/* --- the connection table --------------------------------------------------- */

struct conn conn_of_key_v4(const struct conn_key_v4 *key)
{
	return (struct conn) { .dst = address_from_v4(key->dst_ip),
			       .src_port = key->src_port,
			       .dst_port = key->dst_port,
			       .protocol = key->protocol };
}

struct conn conn_of_key_v6(const struct conn_key_v6 *key)
{
	return (struct conn) { .dst = address_from_v6(key->dst_ip),
			       .src_port = key->src_port,
			       .dst_port = key->dst_port,
			       .protocol = key->protocol };
}

int conn_open(struct conn_maps *maps)
{
	maps->v4_inode = map_inode("conn_to_pid_v4");
	maps->v6_inode = map_inode("conn_to_pid_v6");
	maps->v4 = open_map_or_warn("conn_to_pid_v4");
	if (maps->v4 < 0)
		return maps->v4;
	maps->v6 = open_map_or_warn("conn_to_pid_v6");
	if (maps->v6 < 0) {
		close(maps->v4);
		return maps->v6;
	}
	return 0;
}

void conn_reopen(struct conn_maps *maps)
{
	unsigned long v4_inode = map_inode("conn_to_pid_v4");
	unsigned long v6_inode = map_inode("conn_to_pid_v6");
	struct conn_maps fresh;

	if (!v4_inode || !v6_inode)
		return;
	if (v4_inode == maps->v4_inode && v6_inode == maps->v6_inode)
		return;
	if (conn_open(&fresh))
		return;
	close(maps->v4);
	close(maps->v6);
	*maps = fresh;
}

int conn_open_for(struct conn_maps *maps, const struct conn *conn)
{
	bool is_v4 = address_is_v4(&conn->dst);
	int *map = is_v4 ? &maps->v4 : &maps->v6;

	if (*map < 0)
		*map = open_map_or_warn(is_v4 ? "conn_to_pid_v4" : "conn_to_pid_v6");
	return *map < 0 ? *map : 0;
}

int conn_lookup(const struct conn_maps *maps, const struct conn *conn, conn_pid *pid)
{
	struct conn_key_v6 key_v6 = conn_key_v6(conn);
	struct conn_key_v4 key_v4 = { .dst_ip = address_v4(&conn->dst),
				      .src_port = conn->src_port,
				      .dst_port = conn->dst_port,
				      .protocol = conn->protocol };

	return address_is_v4(&conn->dst) ? bpf_lookup(maps->v4, &key_v4, pid)
					 : bpf_lookup(maps->v6, &key_v6, pid);
}

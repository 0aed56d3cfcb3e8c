// SPDX-License-Identifier: MIT
#include "conn.h"

#include "bpf.h"
#include "pins.h"
#include "number.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

conn_error conn_parse_protocol(const char *text, uint8_t *protocol)
{
	if (strcmp(text, "tcp") == 0)
		*protocol = IPPROTO_TCP;
	else if (strcmp(text, "udp") == 0)
		*protocol = IPPROTO_UDP;
	else
		return "is not a protocol: tcp or udp";
	return NULL;
}

/*
 * What is wrong with a text that is no address: people paste what other programs print, an
 * address as URLs have it, with a port, or with its interface. The maps know of none of these.
 */
static conn_error explain_address(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	bool is_bracketed = *text == '[';
	const char *start = text + is_bracketed, *rest;
	size_t len = strcspn(start, is_bracketed ? "]%" : strchr(text, '%') ? "%" : ":");
	uint8_t raw[16];

	if (len < sizeof(address)) {
		memcpy(address, start, len);
		address[len] = '\0';
		rest = start + len;
		if (inet_pton(AF_INET6, address, raw) == 1) {
			if (*rest == '%')
				return is_bracketed ? "has brackets and a zone: give it without "
						      "brackets, without %zone"
						    : "has a zone: give it without %zone";
			if (strcmp(rest, "]") == 0)
				return "has brackets: give it without brackets";
			if (strncmp(rest, "]:", 2) == 0)
				return "has brackets and a port: give it without both";
		}
		if (!is_bracketed && *rest == ':' && inet_pton(AF_INET, address, raw) == 1)
			return "has a port: give it without :port";
	}
	return "is not an IPv4 or IPv6 address";
}

conn_error conn_parse_address(const char *text, struct conn *conn)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t raw[16];

	memset(conn, 0, sizeof(*conn));
	if (inet_pton(AF_INET, text, raw) == 1) {
		memcpy(&conn->v4.dst_ip, raw, 4);
	} else if (inet_pton(AF_INET6, text, raw) != 1) {
		return explain_address(text);
	} else if (memcmp(raw, mapped, sizeof(mapped)) == 0) {
		memcpy(&conn->v4.dst_ip, raw + 12, 4);
	} else {
		conn->is_v6 = true;
		memcpy(conn->v6.dst_ip, raw, 16);
	}
	return NULL;
}

conn_error conn_parse_port(const char *text, uint16_t *port)
{
	uint64_t n;

	if (!parse_number(text, 1, 65535, &n))
		return "is not a port: a number from 1 to 65535";
	*port = (uint16_t)n;
	return NULL;
}

void conn_set_address(struct conn *conn, const __u32 ip[4])
{
	*conn = (struct conn) { .is_v6 = ip[0] || ip[1] || ip[2] != htonl(0xffff) };
	if (conn->is_v6)
		memcpy(conn->v6.dst_ip, ip, 16);
	else
		conn->v4.dst_ip = ip[3];
}

void conn_get_address(const struct conn *conn, __u32 ip[4])
{
	if (conn->is_v6) {
		memcpy(ip, conn->v6.dst_ip, 16);
		return;
	}
	ip[0] = ip[1] = 0;
	ip[2] = htonl(0xffff);
	ip[3] = conn->v4.dst_ip;
}

conn_error conn_parse_source(const char *text, struct conn_source *source)
{
	struct conn address;
	conn_error error = conn_parse_address(text, &address);

	if (error)
		return error;
	conn_get_address(&address, source->ip);
	if (!(source->ip[0] | source->ip[1] | source->ip[3]))
		return "is no address that a connection comes from";
	source->is_asked = true;
	return NULL;
}

void conn_set_ports(struct conn *conn, uint8_t protocol, uint16_t src_port, uint16_t dst_port)
{
	if (conn->is_v6) {
		conn->v6.protocol = protocol;
		conn->v6.src_port = src_port;
		conn->v6.dst_port = dst_port;
	} else {
		conn->v4.protocol = protocol;
		conn->v4.src_port = src_port;
		conn->v4.dst_port = dst_port;
	}
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
	if (conn->is_v6)
		return maps->v6 = open_map_or_warn("conn_to_pid_v6");
	return maps->v4 = open_map_or_warn("conn_to_pid_v4");
}

int conn_lookup(const struct conn_maps *maps, const struct conn *conn, conn_pid *pid)
{
	if (conn->is_v6)
		return bpf_lookup(maps->v6, &conn->v6, pid);
	return bpf_lookup(maps->v4, &conn->v4, pid);
}

uint8_t conn_protocol(const struct conn *conn)
{
	return conn->is_v6 ? conn->v6.protocol : conn->v4.protocol;
}

bool conn_same_address(const struct conn *a, const struct conn *b)
{
	if (a->is_v6 != b->is_v6)
		return false;
	return a->is_v6 ? memcmp(a->v6.dst_ip, b->v6.dst_ip, 16) == 0
			: a->v4.dst_ip == b->v4.dst_ip;
}

uint16_t conn_src_port(const struct conn *conn)
{
	return conn->is_v6 ? conn->v6.src_port : conn->v4.src_port;
}

uint16_t conn_dst_port(const struct conn *conn)
{
	return conn->is_v6 ? conn->v6.dst_port : conn->v4.dst_port;
}

void conn_print_protocol(const struct conn *conn)
{
	uint8_t protocol = conn_protocol(conn);

	if (protocol == IPPROTO_TCP)
		out_str("tcp");
	else if (protocol == IPPROTO_UDP)
		out_str("udp");
	else
		out_u64(protocol);
}

static void print_v4(const uint8_t raw[4])
{
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			out_str(".");
		out_u64(raw[i]);
	}
}

static void print_hex(unsigned n)
{
	if (n >= 16)
		print_hex(n / 16);
	out_bytes(&"0123456789abcdef"[n % 16], 1);
}

/*
 * As RFC 5952 says: "::" for the longest run of zero groups, of two at least, the
 * first of equals. inet_ntop() would bring printf along, a third of the program.
 */
static void print_v6(const uint8_t raw[16])
{
	int start = -1, length = 1;

	for (int i = 0; i < 8; i++) {
		int zeroes = 0;

		while (i + zeroes < 8 && !raw[2 * (i + zeroes)] && !raw[2 * (i + zeroes) + 1])
			zeroes++;
		if (zeroes > length) {
			start = i;
			length = zeroes;
		}
	}
	for (int i = 0; i < 8; i++) {
		if (i == start) {
			out_str("::");
			i += length - 1;
			continue;
		}
		if (i > 0 && i != start + length)
			out_str(":");
		print_hex(raw[2 * i] * 256u + raw[2 * i + 1]);
	}
}

void conn_print_address(const struct conn *conn)
{
	uint8_t raw[16];

	/* By way of raw: members of a packed key may not be aligned. */
	if (conn->is_v6) {
		memcpy(raw, conn->v6.dst_ip, 16);
		print_v6(raw);
	} else {
		memcpy(raw, &conn->v4.dst_ip, 4);
		print_v4(raw);
	}
}

void conn_print_json_fields(const struct conn *conn)
{
	out_str("\"protocol\":\"");
	conn_print_protocol(conn);
	out_str("\",\"dst_ip\":\"");
	conn_print_address(conn);
	out_str("\",\"src_port\":");
	out_u64(conn_src_port(conn));
	out_str(",\"dst_port\":");
	out_u64(conn_dst_port(conn));
}

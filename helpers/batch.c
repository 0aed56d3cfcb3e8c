// SPDX-License-Identifier: MIT
#include "batch.h"

#include "conn.h"
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/*
 * Longer than any line that can be read: a protocol, an IPv6 address and two
 * ports are under 70 bytes.
 */
#define LINE_MAX_BYTES 256
#define WORDS 4

/* An answer is never longer: what is written then always ends at a line's end. */
#define ANSWER_MAX_BYTES 512

static void answer_error(const char *name, conn_error error)
{
	out_str("{\"error\":\"");
	if (name) {
		out_str(name);
		out_str(" ");
	}
	out_str(error);
	out_str("\"}\n");
}

/* Cut LINE into words at spaces and tabs. The number of words, WORDS + 1 for more. */
static int split(char *line, char *words[WORDS])
{
	int n = 0;

	for (;;) {
		line += strspn(line, " \t\r");
		if (!*line)
			return n;
		if (n == WORDS)
			return WORDS + 1;
		words[n++] = line;
		line += strcspn(line, " \t\r");
		if (*line)
			*line++ = '\0';
	}
}

static void answer_conn(const struct conn_maps *maps, const struct conn *conn)
{
	conn_pid pid;
	int rc = conn_lookup(maps, conn, &pid);

	if (rc == 0) {
		out_str("{\"pid\":");
		out_u64(pid);
	} else {
		out_str("{\"error\":\"");
		out_str(rc == -ENOENT ? "not found" : strerror(-rc));
		out_str("\"");
	}
	out_str(",");
	conn_print_json_fields(conn);
	out_str("}\n");
}

static void answer_line(const struct conn_maps *maps, char *line, size_t len)
{
	char *words[WORDS];
	struct conn conn;
	uint8_t protocol;
	uint16_t src_port, dst_port;
	conn_error error;

	if (memchr(line, '\0', len))
		return answer_error(NULL, "the line has a NUL byte");
	if (split(line, words) != WORDS)
		return answer_error(NULL, "a line is PROTOCOL DST SRC_PORT DST_PORT");
	error = conn_parse_protocol(words[0], &protocol);
	if (error)
		return answer_error("PROTOCOL", error);
	error = conn_parse_address(words[1], &conn);
	if (error)
		return answer_error("DST", error);
	error = conn_parse_port(words[2], &src_port);
	if (error)
		return answer_error("SRC_PORT", error);
	error = conn_parse_port(words[3], &dst_port);
	if (error)
		return answer_error("DST_PORT", error);
	conn_set_ports(&conn, protocol, src_port, dst_port);
	answer_conn(maps, &conn);
}

/* A line that is being collected; len goes past the array when it is too long. */
struct line {
	char bytes[LINE_MAX_BYTES + 1];
	size_t len;
};

static void take_byte(const struct conn_maps *maps, struct line *line, char byte)
{
	if (byte != '\n') {
		if (line->len < LINE_MAX_BYTES)
			line->bytes[line->len] = byte;
		if (line->len <= LINE_MAX_BYTES)
			line->len++;
		return;
	}
	out_room(ANSWER_MAX_BYTES);
	if (line->len > LINE_MAX_BYTES) {
		answer_error(NULL, "the line is too long");
	} else {
		line->bytes[line->len] = '\0';
		answer_line(maps, line->bytes, line->len);
	}
	line->len = 0;
}

int answer_batch(void)
{
	/* Not static: see the buffer in text.c. */
	char input[65536];
	struct line line = { .len = 0 };
	struct conn_maps maps;
	ssize_t n;

	if (conn_open(&maps))
		return EXIT_UNAVAILABLE;
	for (;;) {
		n = read(STDIN_FILENO, input, sizeof(input));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		conn_reopen(&maps);
		for (ssize_t i = 0; i < n; i++)
			take_byte(&maps, &line, input[i]);
		if (out_flush())
			return finish(EXIT_UNAVAILABLE);
	}
	if (n < 0) {
		warn_parts("cannot read standard input: ", strerror(errno), NULL);
		(void)out_flush();
		return EXIT_MISUSE;
	}
	if (line.len > 0)
		take_byte(&maps, &line, '\n');
	return finish(EXIT_FOUND);
}

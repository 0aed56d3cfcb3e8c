// SPDX-License-Identifier: MIT
#include "http_request.h"

#include "network.h"
#include "http_peer.h"
#include "pins.h"
#include "number.h"
#include "text.h"
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

/* --- answers ---------------------------------------------------------------- */

/*
 * An answer is held back until it is whole, so that its head can tell its length and a client
 * sees when its end is missing. One that is longer than this is sent in chunks, of which the
 * last is empty. The metrics of 512 cgroups fit.
 */
#define HELD_BYTES 262144

static struct {
	enum {
		HELD,
		CHUNKED,
		SENT, /* the head was sent, and the method HEAD asks for no more */
	} state;
	size_t len;		   /* of what is held */
	bool is_text;		   /* an error is a line of text instead of a JSON object */
	bool is_head;		   /* the method is HEAD: no body is wanted */
	bool is_failed;		   /* the answer is, or ends with, an error */
	bool is_encoded;	   /* the body is compressed, so no text can be added to it */
	bool is_framed_by_us;	   /* the server does not write length and chunks */
	char held[HELD_BYTES + 1]; /* ended by a NUL */
} answer;

static int write_parts(struct iovec *part, int count)
{
	while (count > 0) {
		ssize_t n = writev(STDOUT_FILENO, part, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (; count > 0 && (size_t)n >= part->iov_len; part++, count--)
			n -= (ssize_t)part->iov_len;
		if (count > 0) {
			part->iov_base = (char *)part->iov_base + n;
			part->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static struct iovec part_of(const char *bytes, size_t len)
{
	return (struct iovec) { .iov_base = (void *)bytes, .iov_len = len };
}

static int send_chunk(const char *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	char size[2 * sizeof(len) + 2], *p = size + sizeof(size);
	struct iovec parts[3];

	if (len == 0) /* an empty chunk would be the end */
		return 0;
	*--p = '\n';
	*--p = '\r';
	for (size_t rest = len; rest; rest >>= 4)
		*--p = hex[rest & 15];
	parts[0] = part_of(p, (size_t)(size + sizeof(size) - p));
	parts[1] = part_of(bytes, len);
	parts[2] = part_of("\r\n", 2);
	return write_parts(parts, 3);
}

/*
 * Send the head that is held, with the line FRAMING added, and if WANTS_BODY what is held of
 * the body. busybox httpd passes on an answer that begins with HTTP, and closes the
 * connection after it; other servers want a Status line and do the framing themselves.
 */
static int send_held(const char *framing, bool wants_body)
{
	static const char status[] = "Status: ", close_line[] = "Connection: close\r\n";
	const char *end = strstr(answer.held, "\r\n\r\n"), *start = answer.held;
	struct iovec parts[6];
	int count = 0;

	if (!end || strncmp(start, status, strlen(status)) != 0)
		return -EPROTO; /* nothing was answered */
	end += 2;
	if (answer.is_framed_by_us) {
		start += strlen(status);
		parts[count++] = part_of("HTTP/1.1 ", strlen("HTTP/1.1 "));
	}
	parts[count++] = part_of(start, (size_t)(end - start));
	if (answer.is_framed_by_us) {
		parts[count++] = part_of(close_line, strlen(close_line));
		parts[count++] = part_of(framing, strlen(framing));
	}
	parts[count++] = part_of("\r\n", 2);
	end += 2;
	if (wants_body)
		parts[count++] = part_of(end, (size_t)(answer.held + answer.len - end));
	return write_parts(parts, count);
}

/* The answer is too long to be held: send what there is, and from now on what comes. */
static int begin_chunks(void)
{
	const char *body = strstr(answer.held, "\r\n\r\n");
	int rc = send_held("Transfer-Encoding: chunked\r\n",
			   !answer.is_framed_by_us && !answer.is_head);

	answer.state = answer.is_head ? SENT : CHUNKED;
	if (rc || answer.is_head || !answer.is_framed_by_us)
		return rc;
	body += 4;
	return send_chunk(body, (size_t)(answer.held + answer.len - body));
}

int request_write(const char *bytes, size_t len)
{
	struct iovec part = part_of(bytes, len);
	int rc;

	if (answer.state == HELD && len <= HELD_BYTES - answer.len) {
		memcpy(answer.held + answer.len, bytes, len);
		answer.len += len;
		answer.held[answer.len] = '\0';
		return 0;
	}
	if (answer.state == HELD) {
		rc = begin_chunks();
		if (rc)
			return rc;
	}
	if (answer.state == SENT)
		return -ECANCELED;
	return answer.is_framed_by_us ? send_chunk(bytes, len) : write_parts(&part, 1);
}

int request_end(void)
{
	char length[sizeof("Content-Length: \r\n") + 20] = "Content-Length: ";
	const char *body;
	int rc = out_flush();

	if (answer.state == HELD) {
		body = strstr(answer.held, "\r\n\r\n");
		if (body) {
			body += 4;
			format_u64(length + strlen(length),
				   (uint64_t)(answer.held + answer.len - body));
			strcat(length, "\r\n");
		}
		rc = send_held(length, !answer.is_head);
	} else if (answer.state == CHUNKED && answer.is_framed_by_us && !rc && !answer.is_failed) {
		struct iovec end = part_of("0\r\n\r\n", 5);

		rc = write_parts(&end, 1);
	} else if (answer.state == SENT) {
		rc = 0;
	}
	out_with(NULL);
	return rc ? EXIT_UNAVAILABLE : EXIT_FOUND;
}

void request_answer(const char *head)
{
	answer.is_encoded = strstr(head, "Content-Encoding") != NULL;
	out_str(head);
}

static void fail_parts(const char *status, const char *more, const char *name, const char *error)
{
	if (answer.is_failed)
		return;
	answer.is_failed = true;
	if (answer.state == HELD) {
		out_drop();
		answer.len = 0;
		answer.is_encoded = false;
		out_str("Status: ");
		out_str(status);
		out_str("\r\nContent-Type: ");
		out_str(answer.is_text ? "text/plain" : "application/json");
		out_str("\r\nCache-Control: no-store\r\n");
		out_str(more);
		out_str("\r\n");
	}
	if (answer.is_encoded)
		return;
	if (answer.is_text) {
		out_str(error);
		out_str("\n");
		return;
	}
	out_str("{\"error\":\"");
	if (name) {
		out_str("parameter ");
		out_str(name);
		out_str(" ");
	}
	out_escaped(error, strlen(error));
	out_str("\"}\n");
}

void request_fail(const char *status, const char *error)
{
	fail_parts(status, "", NULL, error);
}

void request_refuse(const char *name, const char *why)
{
	fail_parts("400 Bad Request", "", name, why);
}

static void fail_unavailable(const char *message)
{
	request_fail("503 Service Unavailable", message);
}

/* --- what may be asked ------------------------------------------------------ */

/* Browsers send a name in small letters, however it was typed. */
static bool is_name(const char *name, const char *host, size_t len)
{
	return strlen(name) == len && strncasecmp(name, host, len) == 0;
}

static bool is_address(const char *host, size_t len)
{
	char text[64]; /* more than an address has */
	struct address address;
	bool is_v6 = len > 2 && *host == '[' && host[len - 1] == ']';

	if (is_v6) {
		host++;
		len = strcspn(host, "%]"); /* a zone means something to the client alone */
	}
	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return (strchr(text, ':') != NULL) == is_v6 && parse_address(text, &address);
}

/*
 * Whether HOST is a name or an address of this host. A web page can make its own name lead to
 * this host and then read what is served here (DNS rebinding); such a request has the name
 * of the page.
 *
 * The names of the setting HTTP_NAMES are in the variable SERVER_NAMES, because a client sets
 * HTTP_NAMES by a line "Names: ..." of its request.
 */
static bool is_our_name(const char *host)
{
	size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	const char *names = getenv("SERVER_NAMES"), *port;
	struct utsname own;

	if (len > strlen(host))
		return false;
	port = host + len;
	if (*port && (*port != ':' || port[1 + strspn(port + 1, "0123456789")]))
		return false;
	if (is_address(host, len))
		return true;
	if (len > 1 && host[len - 1] == '.')
		len--;
	if (is_name("localhost", host, len) ||
	    (uname(&own) == 0 && is_name(own.nodename, host, len)))
		return true;
	while (names && *names) {
		size_t word = strcspn(names, " ");

		if (word > 0 && word == len && strncasecmp(names, host, len) == 0)
			return true;
		names += word + (names[word] == ' ');
	}
	return false;
}

static bool is_for_us(void)
{
	const char *method = getenv("REQUEST_METHOD"), *host = getenv("HTTP_HOST");

	answer.is_head = method && strcmp(method, "HEAD") == 0;
	if (!method || (!answer.is_head && strcmp(method, "GET") != 0)) {
		fail_parts("405 Method Not Allowed", "Allow: GET, HEAD\r\n", NULL,
			   "only GET and HEAD are answered here");
		return false;
	}
	/* HTTP/1.1 demands a Host line, and httpd does not tell 1.1 from 1.0. */
	if (!host || !*host) {
		request_fail("400 Bad Request", "a Host line is needed");
		return false;
	}
	if (!is_our_name(host)) {
		request_fail("403 Forbidden", "this host has no such name: ask by address, as "
					      "localhost, or by a name that HTTP_NAMES has");
		return false;
	}
	return true;
}

static bool begin(bool is_text)
{
	const char *server = getenv("SERVER_SOFTWARE");

	answer.state = HELD;
	answer.len = 0;
	answer.held[0] = '\0';
	answer.is_text = is_text;
	answer.is_failed = answer.is_encoded = false;
	answer.is_framed_by_us = server && strncmp(server, "busybox httpd", 13) == 0;
	out_with(request_write);
	warn_with(fail_unavailable);
	return is_for_us();
}

bool request_begin(void)
{
	return begin(false);
}

bool request_begin_text(void)
{
	return begin(true);
}

/* --- who may ask ------------------------------------------------------------ */

/* The address of the client, which httpd writes in brackets when it is IPv6. */
static bool read_client(struct address *client)
{
	const char *text = getenv("REMOTE_ADDR");
	char address[64]; /* more than an address has */
	size_t len;

	if (!text)
		return false;
	len = strlen(text);
	if (*text == '[') {
		if (len < 2 || text[len - 1] != ']')
			return false;
		text++;
		len -= 2;
	}
	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return parse_address(address, client);
}

/*
 * Find out where httpd listens: that is the word behind -p in the command line of the parent
 * process, whose socket can't be looked at because it has changed its user. When there is no
 * such word the server's address is not known, and finding the client takes longer.
 */
static void find_server(struct peer *peer)
{
	char path[64] = "/proc/", words[4096];
	const char *word, *end;
	ssize_t len;
	int fd;

	peer->server = (struct address) { .word = { 0 } };
	peer->server_port = 0;
	format_u64(path + strlen(path), (uint64_t)getppid());
	strcat(path, "/cmdline");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, words, sizeof(words) - 1);
	close(fd);
	if (len <= 0)
		return;
	words[len] = '\0';
	end = words + len;
	for (word = words; word < end; word += strlen(word) + 1) {
		if (strcmp(word, "-p") != 0)
			continue;
		word += strlen(word) + 1;
		if (word < end && !parse_listen_address(word, &peer->server, &peer->server_port)) {
			peer->server = (struct address) { .word = { 0 } };
			peer->server_port = 0;
		}
		return;
	}
}

static bool may_see_all(uint32_t uid)
{
	const char *users = getenv("LOOKUP_USERS");
	uint32_t gid;

	return uid == 0 || (users && users_list_has(users, uid)) ||
	       (readers_group(&gid) && users_is_member(uid, gid));
}

static void refuse_unknown_user(int rc)
{
	switch (rc) {
	case -ENOENT:
		request_fail("403 Forbidden",
			     "no process of this host has your end of the connection, which "
			     "would say who asks");
		return;
	case -EREMOTE:
		request_fail("403 Forbidden",
			     "the server runs in a user namespace, where the kernel "
			     "does not tell who asks");
		return;
	case -EMLINK:
		request_fail("403 Forbidden", "users share your address and port: who asks is not "
					      "known");
		return;
	default:
		warn_parts("cannot ask the kernel who asks (sock_diag): ", strerror(-rc), NULL);
	}
}

static bool is_user_of_host(const struct address *client, struct asker *asker)
{
	const char *port = getenv("REMOTE_PORT");
	struct peer peer = { .address = *client };
	uint64_t n;
	int rc = -ENOENT;

	if (port && parse_number(port, 1, 65535, &n)) {
		peer.port = (uint16_t)n;
		find_server(&peer);
		rc = peer_uid(&peer, &asker->uid);
	}
	if (rc)
		refuse_unknown_user(rc);
	else
		asker->sees_all = may_see_all(asker->uid);
	return rc == 0;
}

bool request_asker(struct asker *asker)
{
	const char *allowed = getenv("LOOKUP_ALLOW");
	struct address client;
	int here = 0;

	*asker = (struct asker) { .sees_all = false, .uid = UINT32_MAX };
	if (read_client(&client)) {
		here = peer_is_here(&client);
		if (here < 0) {
			warn_parts("cannot ask the kernel whose address that is (rtnetlink): ",
				   strerror(-here), NULL);
			return false;
		}
		if (here)
			return is_user_of_host(&client, asker);
		/* LOOKUP_ALLOW is about other hosts: the addresses of this one were seen to above.
		 */
		asker->sees_all = allowed && networks_have(allowed, &client) == 1;
	}
	if (!asker->sees_all)
		request_fail("403 Forbidden",
			     "lookups are answered to this host only: see LOOKUP_ALLOW");
	return asker->sees_all;
}

/* --- the query -------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The characters that a value can have, or that conn_parse_address() has a message about. */
static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '.' || c == ':' || c == '[' || c == ']' || c == '%';
}

/* Copy the LEN bytes at TEXT to VALUE, with %XX decoded. NULL, or what is wrong with them. */
static const char *decode(const char *text, size_t len, char value[PARAMETER_LEN_MAX + 1])
{
	size_t used = 0;

	if (len > PARAMETER_LEN_MAX)
		return "is too long";
	if (len == 0)
		return "is missing";
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%' && i + 2 < len && hex_digit(text[i + 1]) >= 0 &&
		    hex_digit(text[i + 2]) >= 0) {
			c = (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
			i += 2;
		}
		if (!is_plain(c))
			return "has a character that it can't have";
		value[used++] = c;
	}
	value[used] = '\0';
	return NULL;
}

static struct parameter *find(struct parameter *parameters, size_t count, const char *name,
			      size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(parameters[i].name) == len && memcmp(parameters[i].name, name, len) == 0)
			return &parameters[i];
	return NULL;
}

static void refuse_unknown(const struct parameter *parameters, size_t count)
{
	char error[256] = "unknown parameter: known are"; /* with room for the few short names */

	for (size_t i = 0; i < count; i++) {
		strcat(error, " ");
		strcat(error, parameters[i].name);
	}
	request_fail("400 Bad Request", error);
}

/* Read NAME=VALUE, of LEN bytes. False after the answer 400. */
static bool read_pair(struct parameter *parameters, size_t count, const char *pair, size_t len)
{
	const char *equals = memchr(pair, '=', len);
	struct parameter *parameter = NULL;
	const char *error;

	if (equals)
		parameter = find(parameters, count, pair, (size_t)(equals - pair));
	if (!parameter) {
		refuse_unknown(parameters, count);
		return false;
	}
	error = *parameter->value
			? "is repeated"
			: decode(equals + 1, (size_t)(pair + len - equals - 1), parameter->value);
	if (error)
		request_refuse(parameter->name, error);
	return !error;
}

bool request_read_query(struct parameter *parameters, size_t count)
{
	const char *query = getenv("QUERY_STRING");

	while (query && *query) {
		size_t len = strcspn(query, "&");

		if (!read_pair(parameters, count, query, len))
			return false;
		query += len;
		query += *query == '&';
	}
	return true;
}

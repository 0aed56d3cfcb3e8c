// SPDX-License-Identifier: MIT
#include "request.h"

#include "network.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

/* --- answers ---------------------------------------------------------------- */

static bool is_answered;

void request_answer(const char *head)
{
	is_answered = true;
	out_str(head);
}

static void fail_parts(const char *status, const char *name, const char *error)
{
	if (!is_answered) {
		out_str("Status: ");
		out_str(status);
		out_str("\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\r\n");
	}
	is_answered = true;
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
	fail_parts(status, NULL, error);
}

void request_refuse(const char *name, const char *why)
{
	fail_parts("400 Bad Request", name, why);
}

static void fail_unavailable(const char *message)
{
	request_fail("503 Service Unavailable", message);
}

/* --- who may ask ------------------------------------------------------------ */

bool request_is_get(void)
{
	const char *method = getenv("REQUEST_METHOD");

	return method && strcmp(method, "GET") == 0;
}

/*
 * Of clients on this host alone. A page of somewhere else whose name was made to lead here
 * is asked for by that name (DNS rebinding): a browser on this host must use an address or
 * our own name.
 */
static bool names_this_host(const char *host)
{
	struct utsname own;
	size_t len;

	if (!host || !*host || *host == '[' || host[strspn(host, "0123456789.:")] == '\0')
		return true;
	len = strcspn(host, ":");
	if (len == strlen("localhost") && strncasecmp(host, "localhost", len) == 0)
		return true;
	/* Browsers ask in small letters. */
	return uname(&own) == 0 && strlen(own.nodename) == len &&
	       strncasecmp(host, own.nodename, len) == 0;
}

/* httpd writes an IPv6 address in brackets. */
static bool read_client(struct network *client)
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

static bool is_local(const struct network *client)
{
	return networks_have("127.0.0.0/8 ::1", client) == 1;
}

static bool is_allowed(const struct network *client)
{
	const char *allowed = getenv("LOOKUP_ALLOW");

	return allowed && networks_have(allowed, client) == 1;
}

bool request_begin(void)
{
	struct network client;
	bool is_known;

	is_answered = false;
	warn_with(fail_unavailable);
	if (!request_is_get()) {
		request_fail("405 Method Not Allowed", "only GET is answered here");
		return false;
	}
	is_known = read_client(&client);
	if (is_known && is_local(&client)) {
		if (names_this_host(getenv("HTTP_HOST")))
			return true;
		request_fail("403 Forbidden", "ask by address or as localhost");
		return false;
	}
	if (is_known && is_allowed(&client))
		return true;
	request_fail("403 Forbidden", "lookups are answered to this host only: see LOOKUP_ALLOW");
	return false;
}

/* --- the query -------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * The few characters that an address, a port, a protocol or a number can have, or that
 * conn_parse_address() has a word about.
 */
static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '.' || c == ':' || c == '[' || c == ']' || c == '%';
}

/* The LEN bytes at TEXT, with %XX decoded, into VALUE. NULL, or what is wrong. */
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
	char error[256] = "unknown parameter: known are"; /* and a handful of short names */

	for (size_t i = 0; i < count; i++) {
		strcat(error, " ");
		strcat(error, parameters[i].name);
	}
	request_fail("400 Bad Request", error);
}

/* NAME=VALUE, of LEN bytes. */
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

/* SPDX-License-Identifier: MIT */
/*
 * A request: what CGI says of it, each ended by a NUL, and what every answer must be.
 */
#ifndef CONNPIN_FUZZ_CGI_H
#define CONNPIN_FUZZ_CGI_H

#include "fuzz.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>
#include <sys/utsname.h>

/* In the order of the input's words; with the values while it has none. */
static struct {
	const char *name;
	const char *usual;
	char *value;
} variables[] = {
	{ "QUERY_STRING", NULL, NULL },	   { "REMOTE_ADDR", "127.0.0.1", NULL },
	{ "HTTP_HOST", NULL, NULL },	   { "LOOKUP_ALLOW", NULL, NULL },
	{ "REQUEST_METHOD", "GET", NULL }, { "LOOKUP_CMDLINE", NULL, NULL },
};

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

static inline const char *variable(const char *name)
{
	for (size_t i = 0; i < VARIABLES; i++)
		if (strcmp(variables[i].name, name) == 0)
			return variables[i].value ? variables[i].value : variables[i].usual;
	return NULL;
}

static inline bool is_loopback(const char *text)
{
	const uint8_t mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127 };
	char address[64] = "";
	struct in6_addr v6;
	struct in_addr v4;

	sscanf(text, *text == '[' ? "[%63[^]]" : "%63s", address);
	if (inet_pton(AF_INET, address, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &v6) == 1 &&
	       (memcmp(&v6, &in6addr_loopback, sizeof(v6)) == 0 ||
		memcmp(&v6, mapped, sizeof(mapped)) == 0);
}

/* What a page of another site would be asked for by. */
static inline bool is_foreign(const char *host)
{
	size_t len = strcspn(host, ":");
	struct utsname own;
	bool has_letter = false;

	uname(&own);
	for (const char *p = host; *p; p++)
		has_letter |= isalpha((unsigned char)*p) != 0;
	return has_letter && *host != '[' &&
	       (len != strlen("localhost") || strncasecmp(host, "localhost", len) != 0) &&
	       (len != strlen(own.nodename) || strncasecmp(host, own.nodename, len) != 0);
}

/* Who may not ask must have heard so. */
static inline void judge_access(int status)
{
	const char *allowed = variable("LOOKUP_ALLOW"), *host = variable("HTTP_HOST");

	if (strcmp(variable("REQUEST_METHOD"), "GET") != 0) {
		if (status != 405)
			abort();
	} else if (is_loopback(variable("REMOTE_ADDR"))) {
		if (host && is_foreign(host) && status != 403)
			abort();
	} else if ((!allowed || !*allowed) && status != 403) {
		abort();
	}
}

/* One JSON object a line, without a control character; of errors, just one. */
static inline void judge_body(const char *body, size_t len, int status, bool is_list)
{
	size_t lines = 0;

	for (size_t i = 0; i < len; i++) {
		lines += body[i] == '\n';
		if ((unsigned char)body[i] < ' ' && body[i] != '\n')
			abort();
		if (body[i] == '\n' &&
		    (i == 0 || body[i - 1] != '}' || (i + 1 < len && body[i + 1] != '{')))
			abort();
	}
	if (len && (body[0] != '{' || body[len - 1] != '\n'))
		abort();
	if ((status != 200 || !is_list) && lines != 1)
		abort();
	if ((strncmp(body, "{\"error\":\"", 10) == 0) != (status != 200 && len > 0))
		abort();
}

/* DATA as the request to the program NAME. */
static inline int run_request(char *name, bool is_list, const uint8_t *data, size_t size)
{
	static char output[1 << 20];
	char *argv[] = { name, NULL }, *body;
	size_t at = 0, len;
	int status;

	fuzzed_environment = variable;
	for (size_t i = 0; i < VARIABLES && at < size; i++) {
		len = strnlen((const char *)data + at, size - at);
		/* Of its own length, so that a step past its end is seen. */
		variables[i].value = strndup((const char *)data + at, len);
		at += len + 1;
	}
	make_file(STDOUT_FILENO, "", 0);
	if (run_helper(1, argv) != 0)
		abort();
	len = read_output(output, sizeof(output));
	body = strstr(output, "\r\n\r\n");
	if (!body || sscanf(output, "Status: %3d ", &status) != 1)
		abort();
	body += 4;
	/* The maps are there: none of the answers is 503. */
	if (status != 200 && (status < 400 || status > 405))
		abort();
	judge_access(status);
	judge_body(body, len - (size_t)(body - output), status, is_list);
	for (size_t i = 0; i < VARIABLES; i++) {
		free(variables[i].value);
		variables[i].value = NULL;
	}
	return 0;
}

#endif

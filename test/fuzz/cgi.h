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

/* An address as IPv6, with brackets around it or none. */
static inline bool read_address(const char *text, uint8_t address[16])
{
	char bare[64] = "";
	size_t len = strlen(text);

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(bare))
		return false;
	memcpy(bare, text, len);
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
	return inet_pton(AF_INET, bare, address + 12) == 1 ||
	       inet_pton(AF_INET6, bare, address) == 1;
}

/* Bit by bit, and by other means than the program's. -1: LIST has a word that is no network. */
static inline int is_in(const uint8_t address[16], const char *list)
{
	char *copy = strdup(list), *rest = copy, *word;
	int found = 0;

	while ((word = strsep(&rest, " ")) != NULL) {
		size_t len = strlen(word);
		char *slash = strchr(word, '/'), *end = "";
		unsigned long bits, most;
		uint8_t network[16];
		bool same = true;

		if (!*word)
			continue;
		if (slash)
			*slash = '\0';
		most = strchr(word, ':') ? 128 : 32;
		bits = slash && isdigit((unsigned char)slash[1]) ? strtoul(slash + 1, &end, 10)
								 : most;
		if (len > 50 || *word == '[' || !read_address(word, network) || *end ||
		    bits > most || (slash && !isdigit((unsigned char)slash[1]))) {
			found = -1;
			break;
		}
		for (unsigned i = 0; i < bits + 128 - most; i++)
			same &= !((address[i / 8] ^ network[i / 8]) >> (7 - i % 8) & 1);
		found |= same;
	}
	free(copy);
	return found;
}

/* What a page of another site would be asked for by. */
static inline bool is_foreign(const char *host)
{
	size_t len = strcspn(host, ":");
	struct utsname own;
	bool is_name = false;

	uname(&own);
	for (const char *p = host; *p; p++)
		is_name |= !isdigit((unsigned char)*p) && *p != '.' && *p != ':';
	return is_name && *host != '[' &&
	       (len != strlen("localhost") || strncasecmp(host, "localhost", len) != 0) &&
	       (len != strlen(own.nodename) || strncasecmp(host, own.nodename, len) != 0);
}

/* Who may not ask must have heard so, and nobody else. */
static inline void judge_access(int status)
{
	const char *allowed = variable("LOOKUP_ALLOW"), *host = variable("HTTP_HOST");
	bool may_ask = false;
	uint8_t client[16];

	if (strcmp(variable("REQUEST_METHOD"), "GET") != 0) {
		if (status != 405)
			abort();
		return;
	}
	if (read_address(variable("REMOTE_ADDR"), client))
		may_ask = is_in(client, "127.0.0.0/8 ::1") ? !host || !is_foreign(host)
							   : allowed && is_in(client, allowed) == 1;
	if (may_ask == (status == 403))
		abort();
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

/* SPDX-License-Identifier: MIT */
/*
 * A request: what CGI says of it, each ended by a NUL, and what every answer must be.
 */
#ifndef CONNPIN_FUZZ_CGI_H
#define CONNPIN_FUZZ_CGI_H

#include "fuzz.h"

/* In the order of the input's words; with the values while it has none. */
static struct {
	const char *name;
	const char *usual;
	char *value;
} variables[] = {
	{ "QUERY_STRING", NULL, NULL },	   { "REMOTE_ADDR", "127.0.0.1", NULL },
	{ "HTTP_HOST", NULL, NULL },	   { "LOOKUP_ALLOW", NULL, NULL },
	{ "REQUEST_METHOD", "GET", NULL },
};

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

static inline const char *variable(const char *name)
{
	for (size_t i = 0; i < VARIABLES; i++)
		if (strcmp(variables[i].name, name) == 0)
			return variables[i].value ? variables[i].value : variables[i].usual;
	return NULL;
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
	judge_body(body, len - (size_t)(body - output), status, is_list);
	for (size_t i = 0; i < VARIABLES; i++) {
		free(variables[i].value);
		variables[i].value = NULL;
	}
	return 0;
}

#endif

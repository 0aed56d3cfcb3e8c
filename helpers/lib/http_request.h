/* SPDX-License-Identifier: MIT */
/*
 * A request as CGI hands it over (RFC 3875), and the answers to it: what the programs in
 * cgi-bin/ share. Whatever is in it, nothing of it is run or echoed.
 */
#ifndef CONNPIN_LIB_HTTP_REQUEST_H
#define CONNPIN_LIB_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGI_HEAD(status, type) \
	"Status: " status "\r\nContent-Type: " type "\r\nCache-Control: no-store\r\n\r\n"

/* The longest value that a parameter of ours can have: an address, each of its bytes as %XX. */
#define PARAMETER_LEN_MAX 135

/* A parameter that the program knows; the value is the query's, "" while it gave none. */
struct parameter {
	const char *name;
	char value[PARAMETER_LEN_MAX + 1];
};

/* Who asks, and may: whoever sees all, or a user of this host who sees their own connections. */
struct asker {
	bool sees_all;
	uint32_t uid; /* unless they see all */
};

/*
 * From here on what is written to standard output is the answer, and what the helpers have
 * to say is one: 503, a JSON object. Answers with 405 what is neither GET nor HEAD, with 400
 * what has no Host line, with 403 what was asked for by a strange name: then false.
 */
bool request_begin(void);

/* The same with a line of text in the place of each JSON object. */
bool request_begin_text(void);

/* Who asks. Answers with 403 who may not: then false. */
bool request_asker(struct asker *asker);

/* Read QUERY_STRING. False when it was answered with 400. */
bool request_read_query(struct parameter *parameters, size_t count);

/* From here on the answer is what is written: HEAD first, a CGI_HEAD of status 200. */
void request_answer(const char *head);

/* More of the answer, past the output buffer: for out_with(). 0 or -errno. */
int request_write(const char *bytes, size_t len);

/* 400: parameter NAME WHY. */
void request_refuse(const char *name, const char *why);

/*
 * That status, "404 Not Found", and a JSON object with the error. Where a part of the answer
 * is under way already, the object alone, and the client is left to see that the rest is
 * missing. The first error counts.
 */
void request_fail(const char *status, const char *error);

/* The answer is whole: the last of it is sent. The exit status. */
int request_end(void);

#endif

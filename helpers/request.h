/* SPDX-License-Identifier: MIT */
/*
 * A request as CGI hands it over (RFC 3875), and the answers to it: what the programs in
 * cgi-bin/ share. Whatever is in it, nothing of it is run or echoed.
 */
#ifndef CONNPIN_REQUEST_H
#define CONNPIN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define CGI_HEAD(status, type) \
	"Status: " status "\r\nContent-Type: " type "\r\nCache-Control: no-store\r\n\r\n"

/* The longest value that a parameter of ours can have: an address, each of its bytes as %XX. */
#define PARAMETER_LEN_MAX 135

/* A parameter that the program knows; the value is the query's, "" while it gave none. */
struct parameter {
	const char *name;
	char value[PARAMETER_LEN_MAX + 1];
};

/*
 * From here on what the helpers have to say is the answer: 503, a JSON object. Answers with
 * 405 what is not GET, and with 403 who is neither on this host nor in LOOKUP_ALLOW: then
 * false.
 */
bool request_begin(void);

/* Read QUERY_STRING. False when it was answered with 400. */
bool request_read_query(struct parameter *parameters, size_t count);

/* From here on the answer is what is written: HEAD first, a CGI_HEAD of status 200. */
void request_answer(const char *head);

/* 400: parameter NAME WHY. */
void request_refuse(const char *name, const char *why);

/*
 * That status, "404 Not Found", and a JSON object with the error; the object alone where the
 * answer has begun.
 */
void request_fail(const char *status, const char *error);

/* Whether REQUEST_METHOD is GET. */
bool request_is_get(void);

#endif

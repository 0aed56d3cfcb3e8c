/* SPDX-License-Identifier: MIT */
/*
 * A request as CGI hands it over (RFC 3875), and the answer to it: what the CGI programs
 * share. Nothing that is in a request is run or echoed, whatever it is.
 */
#ifndef CONNPIN_LIB_HTTP_REQUEST_H
#define CONNPIN_LIB_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGI_HEAD(status, type) \
	"Status: " status "\r\nContent-Type: " type "\r\nCache-Control: no-store\r\n\r\n"

/* The longest value that a parameter can have: an address, each of its bytes as %XX. */
#define PARAMETER_LEN_MAX 135

/* A parameter that the program knows. */
struct parameter {
	const char *name;
	char value[PARAMETER_LEN_MAX + 1]; /* decoded; "" when the query has none */
};

/* A client that may ask. */
struct asker {
	bool sees_all; /* false: only the connections of its own user */
	uint32_t uid;  /* that user, unless it sees all */
};

/*
 * Begin an answer. From here on what is written to standard output is held back as a part of
 * it, and a message of warn_parts() becomes the answer 503, a JSON object. A request with a
 * method other than GET and HEAD is answered with 405, one without a Host line with 400, and
 * one for a name that is not this host's with 403: then false.
 */
bool request_begin(void);

/* The same, but an error is answered with a line of text instead of a JSON object. */
bool request_begin_text(void);

/*
 * Find out who asks. False after an answer: 403 when the client may not ask or is not known,
 * 503 when the kernel could not be asked.
 */
bool request_asker(struct asker *asker);

/*
 * Read QUERY_STRING into COUNT parameters. False after the answer 400, when it has one that
 * is unknown, repeated, empty, too long, or has a character that no value can have.
 */
bool request_read_query(struct parameter *parameters, size_t count);

/* Begin an answer of status 200 with HEAD, a CGI_HEAD; the body is what is written next. */
void request_answer(const char *head);

/*
 * Add to the answer what has left the output buffer: the writer for out_with(). 0, -ECANCELED
 * when the client wants no more of it, or another -errno.
 */
int request_write(const char *bytes, size_t len);

/* Answer 400: "parameter NAME WHY". */
void request_refuse(const char *name, const char *why);

/*
 * Answer with a status such as "404 Not Found" and a JSON object with the error. When a part
 * of an answer has been sent already, only the object is added, and its end is withheld so
 * that the client sees that the rest is missing. Only the first error counts.
 */
void request_fail(const char *status, const char *error);

/* End the answer and send what is held back of it. Returns the exit status. */
int request_end(void);

#endif

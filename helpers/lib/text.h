/* SPDX-License-Identifier: MIT */
/*
 * Text in and out of the helpers: a buffered standard output, one-line messages
 * and strict numbers. No allocation, no locale.
 */
#ifndef CONNPIN_LIB_TEXT_H
#define CONNPIN_LIB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses, the same for each helper. */
enum {
	EXIT_FOUND = 0,	      /* the answer is on standard output */
	EXIT_NOT_FOUND = 1,   /* there is no such connection */
	EXIT_MISUSE = 2,      /* the arguments or the input are wrong */
	EXIT_UNAVAILABLE = 3, /* the maps can't be read, or the output not written */
};

/*
 * A place for LEN bytes, at most what the buffer holds, that out_commit() makes part
 * of the output up to END.
 */
char *out_reserve(size_t len);
void out_commit(const char *end);

/*
 * Use another, larger buffer from here on, SIZE bytes at BYTES, which stay the
 * program's.
 */
void out_set_buffer(char *bytes, size_t size);

/*
 * Append a JSON string, with its quotes: always valid UTF-8 without a control
 * character, whatever the bytes are. What is not UTF-8 becomes U+FFFD.
 */
void out_json(const char *bytes, size_t len);

/* The same without quotes: what a terminal may be shown. */
void out_escaped(const char *bytes, size_t len);

/* Append to standard output; what does not fit in the buffer is written first. */
void out_bytes(const char *bytes, size_t len);
void out_str(const char *s);
void out_u64(uint64_t n);

/* Write what is buffered unless LEN more bytes, at most the buffer, fit behind it. */
void out_room(size_t len);

/* Write what is buffered. 0 or -errno; once it failed it goes on failing. */
int out_flush(void);

/* Forget what is buffered. */
void out_drop(void);

/*
 * From now on what would be written to standard output goes to WRITER, 0 or -errno, instead;
 * NULL: there again.
 */
void out_with(int (*writer)(const char *bytes, size_t len));

/*
 * One line on standard error, "NAME: " and the parts up to NULL. Bytes that are
 * not printable ASCII come out as '?', so that bad input can't forge a line.
 */
void warn_parts(const char *part, ...);

/*
 * From now on messages go to WRITER instead, without the name in front and the line end: a
 * CGI program has nobody at its standard error.
 */
void warn_with(void (*writer)(const char *message));

/* The name in front of messages: the last part of argv[0]. */
void set_program_name(const char *argv0);

/*
 * Flush, then the exit status to use: STATUS, or EXIT_UNAVAILABLE with a message
 * when standard output could not be written.
 */
int finish(int status);

/* "NAME VERSION" and a line end. */
void out_version(void);

/* True when the only argument was -h or -V (or the long form), and is answered. */
bool answered_help(int argc, char **argv, const char *usage);

/* One line that points to --help; EXIT_MISUSE. */
int misuse(const char *why, const char *what);

/* What getopt_long() answered with '?' or ':', said the same way; EXIT_MISUSE. */
int bad_option(int answer, char **argv);

/*
 * The length of the UTF-8 sequence at S, of LEFT bytes, 1 at least; 0 when it is none, as
 * RFC 3629 has it: no overlong form, no surrogate, nothing above U+10FFFF.
 */
size_t utf8_length(const char *s, size_t left);

#endif

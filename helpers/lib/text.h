/* SPDX-License-Identifier: MIT */
/*
 * What the helpers write: a buffered standard output, messages of one line on standard
 * error, and exit statuses. Nothing is allocated, and no locale counts.
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
 * Append to standard output. When the buffer is full, what it holds is written first. An
 * error of writing is kept, and out_flush() and finish() return it.
 */
void out_bytes(const char *bytes, size_t len);
void out_str(const char *s);
void out_u64(uint64_t n);

/*
 * Append bytes as the inside of a JSON string, which a terminal may be shown as well: it is
 * UTF-8 without a control character, whatever the bytes are. What is not UTF-8 becomes
 * U+FFFD.
 */
void out_escaped(const char *bytes, size_t len);

/*
 * Room for LEN bytes, which is at most the size of the buffer: the caller writes to it, and
 * out_commit() appends what is there up to END.
 */
char *out_reserve(size_t len);
void out_commit(const char *end);

/* Use another buffer from here on: SIZE bytes at BYTES, at least NUMBER_DIGITS. */
void out_set_buffer(char *bytes, size_t size);

/* Write what is buffered, unless LEN more bytes fit behind it: they will be in one piece. */
void out_room(size_t len);

/* Write what is buffered. 0 or -errno; when it has failed once, it fails again. */
int out_flush(void);

/* Drop what is buffered, unwritten. */
void out_drop(void);

/*
 * From now on call WRITER, which returns 0 or -errno, instead of writing to standard output.
 * NULL takes it back.
 */
void out_with(int (*writer)(const char *bytes, size_t len));

/*
 * Write one line to standard error: the program's name, a colon, and the parts up to NULL. A
 * byte that is not printable ASCII is written as '?', so that bad input can't forge a line;
 * a message of more than 1000 bytes is cut.
 */
void warn_parts(const char *part, ...);

/*
 * From now on hand messages to WRITER instead, without the name in front and without a line
 * end: nobody reads the standard error of a CGI program.
 */
void warn_with(void (*writer)(const char *message));

/* Set the name in front of messages: the last part of ARGV0. It stays in use. */
void set_program_name(const char *argv0);

/*
 * Write what is buffered. Returns the exit status to use: STATUS, or EXIT_UNAVAILABLE after a
 * message when standard output could not be written.
 */
int finish(int status);

/* Append "NAME VERSION" and a line end. */
void out_version(void);

/* Whether the only argument is -h, --help, -V or --version; then its answer is appended. */
bool answered_help(int argc, char **argv, const char *usage);

/* Report a misuse in one line that points to --help. Returns EXIT_MISUSE. */
int misuse(const char *why, const char *what);

/* Report what getopt_long() answered with '?' or ':'. Returns EXIT_MISUSE. */
int bad_option(int answer, char **argv);

/*
 * The length of the UTF-8 sequence that the LEFT bytes at S, 1 at least, begin with. 0 when
 * they begin with none by RFC 3629, which excludes overlong forms, surrogates, and what is
 * above U+10FFFF.
 */
size_t utf8_length(const char *s, size_t left);

#endif

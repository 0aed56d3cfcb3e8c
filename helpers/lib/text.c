// SPDX-License-Identifier: MIT
#include "text.h"

#include "number.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "unknown" /* the makefile gives it */
#endif

/*
 * It is small so that all variables fit the page that the program's data has anyway: another
 * page would cost each look-up a mapping and two faults.
 */
static char first_buffer[2048];
static char *buffer = first_buffer;
static size_t buffer_size = sizeof(first_buffer);
static size_t used;
static int write_error;
static const char *program = "connpin";
static void (*warning_writer)(const char *message);
static int (*output_writer)(const char *bytes, size_t len);

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_output(const char *bytes, size_t len)
{
	return output_writer ? output_writer(bytes, len) : write_all(STDOUT_FILENO, bytes, len);
}

void out_with(int (*writer)(const char *bytes, size_t len))
{
	output_writer = writer;
	write_error = 0;
}

int out_flush(void)
{
	if (!write_error && used > 0)
		write_error = write_output(buffer, used);
	used = 0;
	return write_error;
}

void out_drop(void)
{
	used = 0;
}

void out_set_buffer(char *bytes, size_t size)
{
	(void)out_flush();
	buffer = bytes;
	buffer_size = size;
}

/* Most texts are a few bytes, for which musl's memcpy() takes longer to begin than to copy. */
static void copy(char *to, const char *from, size_t len)
{
	if (len >= 16) {
		size_t i = 0;

		for (; i + 16 <= len; i += 16)
			__builtin_memcpy(to + i, from + i, 16);
		__builtin_memcpy(to + len - 16, from + len - 16, 16);
	} else if (len >= 8) {
		__builtin_memcpy(to, from, 8);
		__builtin_memcpy(to + len - 8, from + len - 8, 8);
	} else if (len >= 4) {
		__builtin_memcpy(to, from, 4);
		__builtin_memcpy(to + len - 4, from + len - 4, 4);
	} else {
		while (len-- > 0)
			*to++ = *from++;
	}
}

void out_bytes(const char *bytes, size_t len)
{
	if (len > buffer_size - used)
		out_flush();
	if (len > buffer_size) {
		if (!write_error)
			write_error = write_output(bytes, len);
		return;
	}
	copy(buffer + used, bytes, len);
	used += len;
}

void out_room(size_t len)
{
	if (len > buffer_size - used)
		out_flush();
}

char *out_reserve(size_t len)
{
	out_room(len);
	return buffer + used;
}

void out_commit(const char *end)
{
	used = (size_t)(end - buffer);
}

void out_str(const char *s)
{
	out_bytes(s, strlen(s));
}

void out_u64(uint64_t n)
{
	out_room(NUMBER_DIGITS);
	used = (size_t)(put_u64(buffer + used, n) - buffer);
}

size_t utf8_length(const char *bytes, size_t left)
{
	const unsigned char *s = (const unsigned char *)bytes;
	size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return length;
}

static void out_code(unsigned code)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = { '\\', 'u', '0', '0', hex[code >> 4 & 15], hex[code & 15] };

	out_bytes(text, sizeof(text));
}

/* How many bytes from S on, LEFT at most, are ASCII that is printed as it is. */
static size_t plain_length(const char *s, size_t left)
{
	size_t n = 0;

	while (n < left && s[n] >= ' ' && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

void out_escaped(const char *bytes, size_t len)
{
	size_t length;

	for (size_t i = 0; i < len; i += length) {
		unsigned char c = (unsigned char)bytes[i];

		length = plain_length(bytes + i, len - i);
		if (length) {
			out_bytes(bytes + i, length);
			continue;
		}
		length = utf8_length(bytes + i, len - i);
		if (c == '"' || c == '\\') {
			out_str("\\");
			out_bytes(bytes + i, 1);
		} else if (c < 0x80) {
			out_code(c);
		} else if (length == 2 && c == 0xc2 && (unsigned char)bytes[i + 1] < 0xa0) {
			/* U+0080 to U+009F are control characters as well. */
			out_code((unsigned char)bytes[i + 1]);
		} else if (length) {
			out_bytes(bytes + i, length);
		} else {
			out_str("\\ufffd");
			length = 1;
		}
	}
}

void set_program_name(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

	if (argv0 && *argv0)
		program = slash ? slash + 1 : argv0;
}

static size_t append_printable(char *line, size_t size, size_t len, const char *s)
{
	for (; *s && len < size; s++)
		line[len++] = (*s >= ' ' && *s <= '~') ? *s : '?';
	return len;
}

void warn_parts(const char *part, ...)
{
	char line[1000]; /* longer than any message; a longer argument is cut */
	size_t len = 0;
	va_list parts;

	if (!warning_writer) {
		len = append_printable(line, sizeof(line) - 1, len, program);
		len = append_printable(line, sizeof(line) - 1, len, ": ");
	}
	va_start(parts, part);
	for (; part; part = va_arg(parts, const char *))
		len = append_printable(line, sizeof(line) - 1, len, part);
	va_end(parts);
	if (warning_writer) {
		line[len] = '\0';
		warning_writer(line);
		return;
	}
	line[len++] = '\n';
	/* When standard error is closed, there is nowhere to report that. */
	(void)write_all(STDERR_FILENO, line, len);
}

void warn_with(void (*writer)(const char *message))
{
	warning_writer = writer;
}

int finish(int status)
{
	int rc = out_flush();

	if (rc) {
		warn_parts("cannot write to standard output: ", strerror(-rc), NULL);
		return EXIT_UNAVAILABLE;
	}
	return status;
}

void out_version(void)
{
	out_str(program);
	out_str(" " VERSION "\n");
}

bool answered_help(int argc, char **argv, const char *usage)
{
	if (argc != 2)
		return false;
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))
		out_str(usage);
	else if (!strcmp(argv[1], "-V") || !strcmp(argv[1], "--version"))
		out_version();
	else
		return false;
	return true;
}

int misuse(const char *why, const char *what)
{
	warn_parts(why, what, ": see ", program, " --help", NULL);
	return EXIT_MISUSE;
}

int bad_option(int answer, char **argv)
{
	const char letter[] = { '-', (char)optopt, '\0' };

	if (answer == ':') /* the number of a long option without a letter is above all letters */
		return misuse("an argument is missing after ",
			      optopt > UCHAR_MAX ? argv[optind - 1] : letter);
	/* If it was a long option, it is the word that was taken last. */
	if (!optopt || strncmp(argv[optind - 1], "--", 2) == 0)
		return misuse("unknown option, or one that takes no argument: ", argv[optind - 1]);
	return misuse("unknown option ", letter);
}

// SPDX-License-Identifier: MIT
#include "proc_stat.h"

#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Numbers of the fields, as Documentation/filesystems/proc.rst counts them from 1. */
enum { NAME = 2, STATE = 3, PARENT = 4, THREADS = 20, START = 22 };

/* The line has 52 fields, most of them 0. */
#define LINE_BYTES 1024

static bool parse(const char *line, struct proc_stat *stat)
{
	/* The name is in parentheses and may hold anything, parentheses and spaces as well. */
	const char *p = strrchr(line, ')');
	uint64_t n;

	for (int field = NAME + 1; field <= START; field++) {
		p = p ? strchr(p, ' ') : NULL;
		if (!p++)
			return false;
		if (field == STATE) {
			stat->state = *p;
			continue;
		}
		if (field != PARENT && field != THREADS && field != START)
			continue;
		if (!scan_u64(p, &n))
			return false;
		if (field == PARENT)
			stat->parent = (uint32_t)n;
		else if (field == THREADS)
			stat->threads = n;
		else
			stat->start = n;
	}
	return true;
}

int read_proc_stat(int dir, const char *path, struct proc_stat *stat)
{
	char line[LINE_BYTES];
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	/* The kernel makes the whole line for the first read. */
	len = read(fd, line, sizeof(line) - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return (int)len;
	line[len] = '\0';
	return parse(line, stat) ? 0 : -EPROTO;
}

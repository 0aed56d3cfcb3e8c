// SPDX-License-Identifier: MIT
#include "users.h"

#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A copy of a file. A mapping of the file itself would end this process by SIGBUS when somebody
 * truncates it.
 */
struct text {
	const char *bytes; /* ended by a NUL */
	size_t size;
};

static struct text read_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *bytes = MAP_FAILED;
	size_t len = 0, size = 0;
	struct stat st;
	ssize_t n;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		size = (size_t)st.st_size + 1;
		bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
	}
	if (bytes != MAP_FAILED) {
		while (len < size - 1 && (n = read(fd, bytes + len, size - 1 - len)) != 0) {
			if (n < 0 && errno != EINTR)
				break;
			len += n > 0 ? (size_t)n : 0;
		}
	}
	if (fd >= 0)
		close(fd);
	return bytes == MAP_FAILED ? (struct text) { .bytes = "" }
				   : (struct text) { .bytes = bytes, .size = size };
}

static void forget_text(struct text *text)
{
	if (text->size)
		munmap((void *)text->bytes, text->size);
}

/* A line NAME:PASSWORD:NUMBER:REST. */
struct line {
	const char *name, *rest;
	size_t name_len, rest_len;
	uint64_t number;
};

/* Whether the LEN bytes at TEXT are the number of a user or a group. */
static bool read_number(const char *text, size_t len, uint64_t *number)
{
	return scan_u64(text, number) == text + len && *number < UINT32_MAX;
}

/* Read the next line of that form from *AT on, and move *AT behind it. False at the end. */
static bool next_line(const char **at, struct line *line)
{
	while (**at) {
		const char *start = *at, *end = start + strcspn(start, "\n");
		const char *colon[3] = { NULL }, *p = start;

		*at = *end ? end + 1 : end;
		for (int i = 0; i < 3 && p; i++) {
			colon[i] = memchr(p, ':', (size_t)(end - p));
			p = colon[i] ? colon[i] + 1 : NULL;
		}
		if (!p ||
		    !read_number(colon[1] + 1, (size_t)(colon[2] - colon[1] - 1), &line->number))
			continue;
		line->name = start;
		line->name_len = (size_t)(colon[0] - start);
		line->rest = p;
		line->rest_len = (size_t)(end - p);
		return true;
	}
	return false;
}

/* Whether NAME is one of the words of LIST, which has LEN bytes. */
static bool has_word(const char *list, size_t len, char separator, const char *name,
		     size_t name_len)
{
	const char *end = list + len;

	while (list < end) {
		const char *next = memchr(list, separator, (size_t)(end - list));
		size_t word = (size_t)((next ? next : end) - list);

		if (word == name_len && memcmp(list, name, word) == 0)
			return word > 0;
		list += word + 1;
	}
	return false;
}

bool users_list_has(const char *list, uint32_t uid)
{
	char number[sizeof("4294967295")];
	struct text passwd;
	const char *at;
	struct line user;
	bool found;

	format_u64(number, uid);
	found = has_word(list, strlen(list), ' ', number, strlen(number));
	if (found || !*list)
		return found;
	passwd = read_text("/etc/passwd");
	for (at = passwd.bytes; !found && next_line(&at, &user);)
		found = user.number == uid &&
			has_word(list, strlen(list), ' ', user.name, user.name_len);
	forget_text(&passwd);
	return found;
}

/* Whether a line of the group GID names USER as a member. */
static bool has_member(const struct text *groups, uint32_t gid, const struct line *user)
{
	const char *at = groups->bytes;
	struct line group;

	while (next_line(&at, &group))
		if (group.number == gid &&
		    has_word(group.rest, group.rest_len, ',', user->name, user->name_len))
			return true;
	return false;
}

bool users_is_member(uint32_t uid, uint32_t gid)
{
	struct text passwd = read_text("/etc/passwd"), groups = read_text("/etc/group");
	const char *at = passwd.bytes;
	struct line user;
	bool found = false;
	uint64_t own;

	while (!found && next_line(&at, &user)) {
		const char *colon = memchr(user.rest, ':', user.rest_len);

		if (user.number != uid)
			continue;
		found = (colon && read_number(user.rest, (size_t)(colon - user.rest), &own) &&
			 own == gid) ||
			has_member(&groups, gid, &user);
	}
	forget_text(&groups);
	forget_text(&passwd);
	return found;
}

// SPDX-License-Identifier: MIT
#include "directories.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc" /* the makefile gives the one that was asked for */
#endif

/* What settings.c takes for a file at the most. */
#define FILE_BYTES_MAX 65536

/*
 * Copy the value of NAME in the file of settings. False when it has none, or is no file:
 * then the scripts, which check all of it, have refused it with a message. It is not inlined
 * because its stack has pages that a look-up without it need not touch.
 */
static __attribute__((noinline)) bool read_setting(const char *name, char value[DIRECTORY_BYTES])
{
	const char *path = getenv("CONNPIN_CONF");
	char text[FILE_BYTES_MAX + 1], *line = text;
	size_t name_len = strlen(name), len;
	ssize_t size;
	int fd;

	fd = open(path && *path ? path : SYSCONFDIR "/connpin.conf",
		  O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return false;
	text[size] = '\0';
	while (strncmp(line, name, name_len) != 0 || line[name_len] != '=') {
		line = strchr(line, '\n');
		if (!line++)
			return false;
	}
	line += name_len + 1;
	len = strcspn(line, "\n");
	if (*line != '/' || len >= DIRECTORY_BYTES)
		return false;
	memcpy(value, line, len);
	value[len] = '\0';
	return true;
}

static const char *of_environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

const char *pin_dir(void)
{
	static char of_file[DIRECTORY_BYTES];
	static const char *dir;

	if (!dir)
		dir = of_environment("PIN_DIR");
	if (!dir && access(PIN_DIR_DEFAULT, F_OK) != 0 && read_setting("PIN_DIR", of_file))
		dir = of_file;
	if (!dir)
		dir = PIN_DIR_DEFAULT;
	return dir;
}

const char *run_dir(void)
{
	static char of_file[DIRECTORY_BYTES];
	static const char *dir;

	if (!dir)
		dir = of_environment("RUN_DIR");
	if (!dir && read_setting("RUN_DIR", of_file))
		dir = of_file;
	if (!dir)
		dir = RUN_DIR_DEFAULT;
	return dir;
}

/* Whether this program is in helpers/ or .output/helpers/ of a directory with .output/bpf/. */
static bool is_of_checkout(void)
{
	char path[DIRECTORY_BYTES + sizeof("../../.output/bpf")];
	ssize_t len = readlink("/proc/self/exe", path, DIRECTORY_BYTES);
	char *name;

	if (len <= 0 || len == DIRECTORY_BYTES)
		return false;
	path[len] = '\0';
	name = strrchr(path, '/') + 1;
	strcpy(name, "../.output/bpf");
	if (access(path, F_OK) == 0)
		return true;
	strcpy(name, "../../.output/bpf");
	return access(path, F_OK) == 0;
}

const char *attach_command(void)
{
	return is_of_checkout() ? "scripts/attach.sh" : "connpin attach";
}

const char *status_command(void)
{
	return is_of_checkout() ? "scripts/status.sh" : "connpin status";
}

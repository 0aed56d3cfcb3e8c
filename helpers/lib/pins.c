// SPDX-License-Identifier: MIT
#include "pins.h"

#include "bpf.h"
#include "directories.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES DIRECTORY_BYTES /* few enough to need no further page of the stack */

/* Put PIN_DIR, BETWEEN and NAME together. False when they are too long. */
static bool pin_path(char path[PATH_BYTES], const char *between, const char *name)
{
	const char *dir = pin_dir();

	if (strlen(dir) + strlen(between) + strlen(name) >= PATH_BYTES)
		return false;
	strcpy(path, dir);
	strcat(path, between);
	strcat(path, name);
	return true;
}

static bool map_path(char path[PATH_BYTES], const char *name)
{
	return pin_path(path, "/maps/", name);
}

uint64_t pinned_at_ns(const char *name)
{
	char path[PATH_BYTES];
	struct stat st;

	if (!pin_path(path, "/", name) || stat(path, &st))
		return 0;
	return (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
}

unsigned long map_inode(const char *name)
{
	char path[PATH_BYTES];
	struct stat st;

	return map_path(path, name) && stat(path, &st) == 0 ? (unsigned long)st.st_ino : 0;
}

bool readers_group(uint32_t *gid)
{
	char path[PATH_BYTES];
	struct stat st;

	if (!map_path(path, "conn_to_pid_v4") || stat(path, &st) || !(st.st_mode & S_IRGRP))
		return false;
	*gid = st.st_gid;
	return true;
}

int open_map(const char *name, unsigned flags)
{
	char path[PATH_BYTES];

	return map_path(path, name) ? bpf_open_pin(path, flags) : -ENAMETOOLONG;
}

int open_pin(const char *name)
{
	char path[PATH_BYTES];
	int fd;

	if (!pin_path(path, "/", name))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int open_map_or_warn(const char *name)
{
	char path[PATH_BYTES];
	int fd;

	if (!map_path(path, name)) {
		warn_parts("PIN_DIR is too long for a path", NULL);
		return -ENAMETOOLONG;
	}

	fd = bpf_open_pin(path, BPF_F_RDONLY);
	if (fd == -ENOENT)
		warn_parts("connpin is not attached (no ", path, "): run ", attach_command(),
			   " as root", NULL);
	else if (fd == -EPERM || fd == -ENOSYS)
		/* Seccomp profiles refuse bpf(2) with these; the mode of a file gives EACCES. */
		warn_parts("bpf(2) is refused: allow it in the seccomp profile, as "
			   "connpin-seccomp.json does",
			   NULL);
	else if (fd == -EACCES)
		/* From outside a closed directory the two can't be told apart. */
		warn_parts("no permission to read ", path, ", or not attached: run ",
			   attach_command(), " as root, and join the group that may", NULL);
	else if (fd < 0)
		warn_parts("cannot open ", path, ": ", strerror(-fd), NULL);
	return fd;
}

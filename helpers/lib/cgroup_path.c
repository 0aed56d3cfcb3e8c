// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "cgroup_path.h"

#include "number.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* include/linux/exportfs.h: a file handle of this type is the id of a cgroup (Linux 5.5). */
#define FILEID_KERNFS 0xfe

/* Where the hierarchy is mounted on a host that has version 1 as well, and elsewhere. */
static const char *const mounts[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

static int open_cgroup(int mount, __u64 id)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(id)];
	} of;

	memset(&of, 0, sizeof(of));
	of.handle.handle_bytes = sizeof(id);
	of.handle.handle_type = FILEID_KERNFS;
	memcpy(of.handle.f_handle, &id, sizeof(id));
	return open_by_handle_at(mount, &of.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The path of the directory FD without its first SKIP bytes. Its length, or -1. */
static int path_of(int fd, size_t skip, char *path, size_t size)
{
	char link[sizeof("/proc/self/fd/") + NUMBER_DIGITS] = "/proc/self/fd/";
	ssize_t len;

	format_u64(link + strlen(link), (uint64_t)fd);
	len = readlink(link, path, size);
	if (len < (ssize_t)skip || (size_t)len == size)
		return -1;
	len -= (ssize_t)skip;
	memmove(path, path + skip, (size_t)len);
	if (!len)
		path[len++] = '/';
	return (int)len;
}

int cgroup_path(__u64 id, char *path, size_t size)
{
	int len = -1;

	for (size_t i = 0; len < 0 && i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		int mount = open(mounts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
		struct statfs fs;

		if (mount < 0)
			continue;
		if (fstatfs(mount, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			fd = open_cgroup(mount, id);
		if (fd >= 0) {
			len = path_of(fd, strlen(mounts[i]), path, size);
			close(fd);
		}
		close(mount);
	}
	return len;
}

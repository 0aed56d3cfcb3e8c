// SPDX-License-Identifier: MIT
#include "tracepoint.h"

#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 5.2 and later; musl has no names for them. */
static int fsopen(const char *type, unsigned flags)
{
	return (int)syscall(SYS_fsopen, type, flags);
}

static int fsconfig(int fs, unsigned cmd, const char *key, const void *value, int aux)
{
	return (int)syscall(SYS_fsconfig, fs, cmd, key, value, aux);
}

static int fsmount(int fs, unsigned flags, unsigned attributes)
{
	return (int)syscall(SYS_fsmount, fs, flags, attributes);
}

int64_t tracepoint_id(const char *name)
{
	char path[128] = "events/", text[32];
	int fs = fsopen("tracefs", FSOPEN_CLOEXEC), dir = -1, fd = -1;
	int64_t id = -ENAMETOOLONG;
	uint64_t n;
	ssize_t len;

	if (strlen(path) + strlen(name) + strlen("/id") >= sizeof(path))
		goto out;
	strcat(strcat(path, name), "/id");
	if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		dir = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (dir >= 0)
		fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	id = -errno;
	if (fd < 0)
		goto out;
	len = read(fd, text, sizeof(text) - 1);
	id = -EIO;
	if (len > 1) {
		text[len - 1] = '\0'; /* the line end */
		if (parse_number(text, 0, INT32_MAX, &n))
			id = (int64_t)n;
	}
out:
	close(fd);
	close(dir);
	close(fs);
	return id;
}

// SPDX-License-Identifier: MIT
#include "pins.h"

#include "bpf.h"
#include "text.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

int open_map_or_warn(const char *name)
{
	char path[512]; /* on the page of the stack that is there already */
	const char *dir = getenv("PIN_DIR");
	int fd;

	if (!dir || !*dir)
		dir = PIN_DIR_DEFAULT;
	if (strlen(dir) + strlen("/maps/") + strlen(name) >= sizeof(path)) {
		warn_parts("PIN_DIR is too long for a path", NULL);
		return -ENAMETOOLONG;
	}
	strcpy(path, dir);
	strcat(path, "/maps/");
	strcat(path, name);

	fd = bpf_open_pin(path, BPF_F_RDONLY);
	if (fd == -ENOENT)
		warn_parts("connpin is not attached (no ", path, "): run attach.sh as root", NULL);
	else if (fd == -EACCES || fd == -EPERM)
		/* Which of the two can't be told from outside a directory that is closed. */
		warn_parts("no permission to read ", path,
			   ", or not attached: run attach.sh as root, and join the group that may",
			   NULL);
	else if (fd < 0)
		warn_parts("cannot open ", path, ": ", strerror(-fd), NULL);
	return fd;
}

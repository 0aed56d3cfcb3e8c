// SPDX-License-Identifier: MIT
#include "ancestors.h"

#include "number.h"
#include "proc_stat.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Deeper trees are cut. A parent that ends meanwhile can't lead in a circle for ever. */
#define ANCESTORS_MAX 64

static void read_comm(int dir, struct ancestor *ancestor)
{
	int fd = openat(dir, "comm", O_RDONLY | O_CLOEXEC);
	char comm[IDENTITY_COMM_BYTES + 1];
	ssize_t len;

	ancestor->comm_len = -1;
	if (fd < 0)
		return;
	len = read(fd, comm, sizeof(comm));
	close(fd);
	if (len <= 0)
		return;
	len -= comm[len - 1] == '\n';
	ancestor->comm_len = (int)(len < IDENTITY_COMM_BYTES ? len : IDENTITY_COMM_BYTES);
	memcpy(ancestor->comm, comm, (size_t)ancestor->comm_len);
}

/* What /proc tells of the process, all of it through one descriptor. Its parent, or 0. */
static __u32 look_at(struct ancestor *ancestor)
{
	struct proc_stat stat = { .parent = 0 };
	char path[64] = "/proc/";
	int dir;

	ancestor->comm_len = ancestor->exe.len = -1;
	format_u64(path + strlen(path), ancestor->pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return 0;
	read_comm(dir, ancestor);
	ancestor->exe.len =
		(int)readlinkat(dir, "exe", ancestor->exe.bytes, sizeof(ancestor->exe.bytes));
	if (read_proc_stat(dir, "stat", &stat))
		stat.parent = 0;
	close(dir);
	return stat.parent;
}

void each_ancestor(const struct process *process, void (*call)(const struct ancestor *ancestor))
{
	static struct ancestor ancestor;
	__u32 parent;

	if (!process->has_ppid)
		return;
	ancestor.pid = process->ppid;
	if (process->status != PROCESS_LIVE) {
		if (!ancestor.pid)
			return;
		ancestor.comm_len = process->parent_comm_len;
		memcpy(ancestor.comm, process->parent_comm, sizeof(ancestor.comm));
		ancestor.exe.len = -1;
		call(&ancestor);
		return;
	}
	for (int i = 0; ancestor.pid && i < ANCESTORS_MAX; i++, ancestor.pid = parent) {
		parent = look_at(&ancestor);
		call(&ancestor);
	}
}

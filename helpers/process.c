// SPDX-License-Identifier: MIT
#include "process.h"

#include "cgroup_path.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* include/linux/proc_ns.h: the initial PID namespace, whose numbers the maps hold. */
#define PROC_PID_INIT_INO 0xEFFFFFFCu

/* include/uapi: start times in /proc are in USER_HZ, 100 wherever BPF has a JIT. */
#define TICK_NS 10000000u

/* Fields of /proc/PID/stat after the name, Documentation/filesystems/proc.rst. */
enum { STAT_STATE = 3, STAT_PPID = 4, STAT_THREADS = 20, STAT_START = 22 };

const char *process_status_name(enum process_status status)
{
	static const char *const names[] = { "live", "exited", "reused", "unknown" };

	return names[status];
}

/* Numbers of another PID namespace than the initial one would name a stranger. */
static bool proc_is_usable(void)
{
	static int usable = -1;
	struct stat st;

	if (usable < 0)
		usable = stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == PROC_PID_INIT_INO;
	return usable;
}

/* A descriptor of /proc/PID, which stays with this process when the PID is reused. */
static int open_process(__u32 pid)
{
	char path[] = "/proc/4294967295", *p = path + sizeof(path) - 1;
	char digits[sizeof(path)];

	*p = '\0';
	do {
		*--p = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid);
	strcpy(digits, p);
	strcpy(path + strlen("/proc/"), digits);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* All of a file, as far as it fits. Its length, or -1. */
static int read_bytes(int fd, char *bytes, size_t size)
{
	size_t len = 0;
	ssize_t n = 0;

	while (len < size) {
		n = read(fd, bytes + len, size - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return n < 0 ? -1 : (int)len;
}

static int read_file(int dir, const char *name, char *bytes, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	int len;

	if (fd < 0)
		return -1;
	len = read_bytes(fd, bytes, size);
	close(fd);
	return len;
}

/* Whether what is left of FD holds a word: the last one ends in a NUL, some fill up with more. */
static bool has_more(int fd)
{
	char bytes[512];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] != '\0')
				return true;
	return false;
}

/* LEN without the beginning of a UTF-8 sequence at the end, whose rest was cut off. */
static int whole_characters(const char *bytes, int len)
{
	int start = len - 1;

	while (start > 0 && start > len - 4 && ((unsigned char)bytes[start] & 0xc0) == 0x80)
		start--;
	if (start < 0 || ((unsigned char)bytes[start] & 0xc0) != 0xc0 ||
	    utf8_length(bytes + start, (size_t)(len - start)))
		return len;
	return start;
}

/* Field N of a stat line, from 3 on; NULL when there is none. */
static const char *stat_field(const char *line, int n)
{
	/* The name in front of it may hold anything, parentheses included. */
	const char *p = strrchr(line, ')');

	for (int field = 2; p && field < n; field++) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	return p;
}

static bool stat_number(const char *line, int n, uint64_t *value)
{
	const char *p = stat_field(line, n);

	if (!p || *p < '0' || *p > '9')
		return false;
	for (*value = 0; *p >= '0' && *p <= '9'; p++)
		*value = *value * 10 + (uint64_t)(*p - '0');
	return true;
}

/* From the stat line of the process that has the PID now. */
static enum process_status judge(const char *line, const struct conn_identity *identity)
{
	const char *state = stat_field(line, STAT_STATE);
	uint64_t start, threads;

	if (!state || !stat_number(line, STAT_START, &start) ||
	    !stat_number(line, STAT_THREADS, &threads))
		return PROCESS_UNKNOWN;
	if (start != identity->start_time / TICK_NS)
		return PROCESS_REUSED;
	/* A zombie whose other threads go on is a process that runs. */
	if ((*state == 'Z' && threads <= 1) || *state == 'X')
		return PROCESS_EXITED;
	return PROCESS_LIVE;
}

/* Status, and the stat line of whoever has the PID in LINE; DIR stays open for more. */
static enum process_status look(const struct conn_identity *identity, int *dir, char *line,
				size_t size)
{
	int len;

	*dir = -1;
	if (!proc_is_usable())
		return PROCESS_UNKNOWN;
	*dir = open_process(identity->pid);
	if (*dir < 0)
		/* Mounted with hidepid=, /proc shows other users' processes to root alone. */
		return errno == ENOENT && kill((pid_t)identity->pid, 0) && errno == ESRCH
			       ? PROCESS_EXITED
			       : PROCESS_UNKNOWN;
	len = read_file(*dir, "stat", line, size - 1);
	if (len < 0)
		/* Gone between the two. */
		return kill((pid_t)identity->pid, 0) && errno == ESRCH ? PROCESS_EXITED
								       : PROCESS_UNKNOWN;
	line[len] = '\0';
	return judge(line, identity);
}

enum process_status process_status(const struct conn_identity *identity)
{
	char line[1024];
	int dir;
	enum process_status status = look(identity, &dir, line, sizeof(line));

	if (dir >= 0)
		close(dir);
	return status;
}

static void read_exe(int dir, struct process_text *text)
{
	text->len = (int)readlinkat(dir, "exe", text->bytes, sizeof(text->bytes));
}

static void read_cmdline(int dir, struct process_text *text)
{
	int fd = openat(dir, "cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	text->len = read_bytes(fd, text->bytes, sizeof(text->bytes));
	text->is_cut = text->len == (int)sizeof(text->bytes) && has_more(fd);
	close(fd);
	if (text->is_cut)
		text->len = whole_characters(text->bytes, text->len);
	while (text->len > 0 && text->bytes[text->len - 1] == '\0')
		text->len--;
	for (int i = 0; i < text->len; i++)
		if (text->bytes[i] == '\0')
			text->bytes[i] = ' ';
}

/* The line "0::PATH", among those of version 1 hierarchies. */
static void read_cgroup(int dir, struct process_text *text)
{
	int len = read_file(dir, "cgroup", text->bytes, sizeof(text->bytes) - 1);
	char *line = text->bytes, *end;

	text->len = -1;
	if (len < 0)
		return;
	text->bytes[len] = '\0';
	while (strncmp(line, "0::", 3) != 0) {
		line = strchr(line, '\n');
		if (!line)
			return;
		line++;
	}
	end = strchr(line, '\n');
	if (!end)
		return; /* cut off */
	text->len = (int)(end - line - 3);
	memmove(text->bytes, line + 3, (size_t)text->len);
}

static void forget(struct process *process)
{
	process->has_ppid = false;
	process->exe.len = process->cmdline.len = process->cgroup.len = -1;
}

/* Everything of a live one. Afterwards it may not be one any more. */
static void read_details(struct process *process, const struct conn_identity *identity, int dir,
			 char *line, size_t size, bool want_cmdline)
{
	uint64_t ppid;
	int len;

	process->has_ppid = stat_number(line, STAT_PPID, &ppid);
	process->ppid = (__u32)ppid;
	read_cgroup(dir, &process->cgroup);
	if (want_cmdline)
		read_cmdline(dir, &process->cmdline);
	errno = 0;
	read_exe(dir, &process->exe);
	/* Every process has an executable until it ends; one may not be allowed to see it. */
	if (process->exe.len >= 0 || errno == EACCES || errno == EPERM)
		return;
	len = read_file(dir, "stat", line, size - 1);
	if (len >= 0) {
		line[len] = '\0';
		process->status = judge(line, identity);
	} else {
		process->status = PROCESS_EXITED;
	}
	if (process->status != PROCESS_LIVE)
		forget(process);
}

void process_inspect(struct process *process, const struct conn_identity *identity,
		     bool want_cmdline)
{
	char line[1024];
	int dir;

	forget(process);
	process->status = look(identity, &dir, line, sizeof(line));
	if (process->status == PROCESS_LIVE)
		read_details(process, identity, dir, line, sizeof(line), want_cmdline);
	else if (process->status != PROCESS_UNKNOWN)
		process->cgroup.len = cgroup_path(identity->cgroup_id, process->cgroup.bytes,
						  sizeof(process->cgroup.bytes));
	if (dir >= 0)
		close(dir);
}

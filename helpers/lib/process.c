// SPDX-License-Identifier: MIT
#include "process.h"

#include "cgroup_path.h"
#include "clock.h"
#include "number.h"
#include "proc_stat.h"
#include "process_table.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342 /* fs/xfs/libxfs/xfs_format.h */
#endif

/* include/linux/proc_ns.h: the initial PID namespace, whose numbers the maps hold. */
#define PROC_PID_INIT_INO 0xEFFFFFFCu

#define THREADS_MAX 256 /* how many are tried to find one that still runs */

const char *process_status_name(enum process_status status)
{
	static const char *const names[] = { "live", "exited", "reused", "unknown" };

	return names[status];
}

/*
 * Whether this /proc has the PIDs of the initial PID namespace, as the maps do: in another
 * namespace a recorded PID is some other process's.
 */
static bool proc_is_usable(void)
{
	static int usable = -1;
	struct stat st;

	if (usable < 0)
		usable = stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == PROC_PID_INIT_INO;
	return usable;
}

/* Whether two files of /proc/self/ns are of one namespace. */
static bool same_namespace(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_ino == y.st_ino;
}

/*
 * Find by how many nanoseconds the clocks and start times that this process is shown are
 * later than those of the initial time namespace, which the records have. False when that
 * can't be told.
 */
static bool read_clock_offset(int64_t *offset)
{
	char text[128], *p;
	int fd = open("/proc/self/timens_offsets", O_RDONLY | O_CLOEXEC);
	ssize_t len;

	*offset = 0;
	if (fd < 0)
		return errno == ENOENT; /* a kernel without time namespaces */
	/* The file tells of the namespace of children, which this process may have changed. */
	if (!same_namespace("/proc/self/ns/time", "/proc/self/ns/time_for_children")) {
		close(fd);
		return false;
	}
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len < 0)
		return false;
	text[len] = '\0';
	p = strstr(text, "boottime");
	if (!p)
		return false;
	*offset = strtoll(p + strlen("boottime"), &p, 10) * (int64_t)NS_PER_SECOND;
	*offset += strtoll(p, &p, 10);
	return *p == '\n';
}

/* The same, read once: a process stays in its time namespace. */
static bool clock_offset(int64_t *offset)
{
	static int known = -1;
	static int64_t cached;

	if (known < 0)
		known = read_clock_offset(&cached);
	*offset = cached;
	return known;
}

uint64_t boot_time(void)
{
	int64_t offset;

	(void)clock_offset(&offset);
	return clock_ns(CLOCK_BOOTTIME) - (uint64_t)offset;
}

/* Open /proc/PID. The descriptor stays with this process even when the PID is reused. */
static int open_process(__u32 pid)
{
	char path[64] = "/proc/";

	format_u64(path + strlen(path), pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Read a file to its end, or as much as SIZE bytes hold. Returns the length, or -1. */
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

/* Whether a word is left to be read of a command line, which may end in several NULs. */
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

/* LEN, less the beginning of a UTF-8 sequence at the end of which the rest was cut off. */
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

/* The status of the process that has the PID now and of which /proc tells STAT. */
static enum process_status judge(const struct proc_stat *stat, const struct conn_identity *identity)
{
	int64_t offset;

	if (!clock_offset(&offset))
		return PROCESS_UNKNOWN;
	if (stat->start != (identity->start_time + (uint64_t)offset) / TICK_NS)
		return PROCESS_REUSED;
	/* A zombie whose other threads go on is a process that runs. */
	if ((stat->state == 'Z' && stat->threads <= 1) || stat->state == 'X')
		return PROCESS_EXITED;
	return PROCESS_LIVE;
}

/* Whether the kernel knows no process of this PID, whatever /proc shows. */
static bool is_pid_free(__u32 pid)
{
	return kill((pid_t)pid, 0) && errno == ESRCH;
}

/*
 * The status, and what /proc tells of the process that has the PID now. *DIR is its
 * directory, open for more, or -1.
 */
static enum process_status look(const struct conn_identity *identity, int *dir,
				struct proc_stat *stat)
{
	int rc;

	*dir = -1;
	if (!proc_is_usable())
		return PROCESS_UNKNOWN;
	*dir = open_process(identity->pid);
	if (*dir < 0)
		/* With the mount option hidepid= only root sees other users' processes. */
		return errno == ENOENT && is_pid_free(identity->pid) ? PROCESS_EXITED
								     : PROCESS_UNKNOWN;
	rc = read_proc_stat(*dir, "stat", stat);
	if (!rc)
		return judge(stat, identity);
	/* The process may have ended after its directory was opened. */
	return rc != -EPROTO && is_pid_free(identity->pid) ? PROCESS_EXITED : PROCESS_UNKNOWN;
}

enum process_status process_status(const struct conn_identity *identity)
{
	struct proc_stat stat;
	int dir;
	enum process_status status = look(identity, &dir, &stat);

	if (dir >= 0)
		close(dir);
	return status;
}

/*
 * Find the device and inode number by which the kernel knows the mapped file PATH: those of
 * its first mapping in /proc/PID/maps. False when it is not mapped. The buffer is on the
 * stack, and the function not inlined, so that other look-ups touch no page of it: a static
 * one would divide their variables between two pages.
 */
static __attribute__((noinline)) bool read_mapped(int dir, const struct process_text *path,
						  uint64_t *device, uint64_t *inode)
{
	char maps[65536];
	int len = read_file(dir, "maps", maps, sizeof(maps) - 1);
	char *line = maps, *end, *p;
	uint64_t major, minor;

	if (len < 0)
		return false;
	maps[len] = '\0';
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		/* ADDRESSES PERMISSIONS OFFSET MAJOR:MINOR INODE, spaces, PATH */
		p = line;
		for (int word = 0; p && word < 3; word++) {
			p = strchr(p, ' ');
			if (p)
				p++;
		}
		if (!p)
			continue;
		major = strtoull(p, &p, 16);
		if (*p++ != ':')
			continue;
		minor = strtoull(p, &p, 16);
		p = (char *)scan_u64(p + strspn(p, " "), inode);
		if (!p)
			continue;
		p += strspn(p, " ");
		if (strlen(p) != (size_t)path->len || memcmp(p, path->bytes, strlen(p)) != 0)
			continue;
		*device = major << 20 | minor;
		return true;
	}
	return false;
}

/* Whether stat(2) tells the kernel's own numbers of the executable, on its file system. */
static bool tells_own_numbers(int dir)
{
	struct statfs fs;
	int fd = openat(dir, "exe", O_PATH | O_CLOEXEC), rc;

	if (fd < 0)
		return false;
	rc = fstatfs(fd, &fs);
	close(fd);
	if (rc)
		return false;
	switch ((unsigned long)fs.f_type) {
	case EXT4_SUPER_MAGIC: /* of ext2 and ext3 as well */
	case XFS_SUPER_MAGIC:
	case TMPFS_MAGIC: /* and of a memfd */
	case RAMFS_MAGIC:
	case F2FS_SUPER_MAGIC:
	case SQUASHFS_MAGIC:
		return true;
	default:
		return false;
	}
}

/*
 * Compare the executable with the one that was recorded. On overlayfs, btrfs and others
 * stat(2) has other numbers than the kernel's own, so a difference there does not tell that
 * the file is another one. /proc/PID/maps has the kernel's own, but on overlayfs before Linux
 * 6.6 those of the layer below.
 */
static enum exe_change compare_exe(int dir, const struct process_text *path,
				   const struct conn_identity *identity)
{
	uint64_t device, inode;
	struct stat st;

	if (!identity->exe_inode || fstatat(dir, "exe", &st, 0))
		return EXE_UNKNOWN;
	if (identity->exe_inode == st.st_ino &&
	    identity->exe_device == (major(st.st_dev) << 20 | minor(st.st_dev)))
		return EXE_SAME;
	if (tells_own_numbers(dir))
		return EXE_CHANGED;
	if (read_mapped(dir, path, &device, &inode) && identity->exe_inode == inode &&
	    identity->exe_device == device)
		return EXE_SAME;
	return EXE_UNKNOWN;
}

static void read_exe(int dir, struct process_text *text)
{
	text->len = (int)readlinkat(dir, "exe", text->bytes, sizeof(text->bytes));
}

/* Open a thread's directory in /proc/PID/task. -1 unless the thread has an executable. */
static int open_thread_by_name(int tasks, const char *name)
{
	int dir = openat(tasks, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct process_text exe;

	if (dir < 0)
		return -1;
	read_exe(dir, &exe);
	if (exe.len >= 0)
		return dir;
	close(dir);
	return -1;
}

/* include/linux/dirent.h */
struct directory_entry {
	__u64 inode;
	__s64 offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

/*
 * When the first thread of a process ends before the others, /proc/PID shows no executable
 * and no command line any more, but the directories of the other threads do. Open one of
 * them: that of the thread that opened the connection, if it still runs. -1 when none is
 * found.
 */
static int open_other_thread(int process, const struct conn_identity *identity)
{
	int tasks = openat(process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir, tried = 0;
	_Alignas(struct directory_entry) char entries[4096];
	char name[24];
	long len;

	if (tasks < 0)
		return -1;
	format_u64(name, identity->tid);
	dir = open_thread_by_name(tasks, name);
	while (dir < 0 && tried < THREADS_MAX &&
	       (len = syscall(SYS_getdents64, tasks, entries, sizeof(entries))) > 0) {
		for (long at = 0; dir < 0 && at < len && tried < THREADS_MAX; tried++) {
			const struct directory_entry *entry = (const void *)(entries + at);

			if (entry->name[0] != '.')
				dir = open_thread_by_name(tasks, entry->name);
			at += entry->length;
		}
	}
	close(tasks);
	return dir;
}

/* Spaces for the NULs between words, and none for those at the end. */
static void join_words(struct process_text *text)
{
	while (text->len > 0 && text->bytes[text->len - 1] == '\0')
		text->len--;
	for (int i = 0; i < text->len; i++)
		if (text->bytes[i] == '\0')
			text->bytes[i] = ' ';
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
	join_words(text);
}

/* Find the line "0::PATH", which is that of version 2, among those of version 1. */
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

static void forget_details(struct process *process)
{
	process->has_ppid = false;
	process->parent_comm_len = -1;
	process->login_uid = process->session_id = PROCESS_NO_ID;
	process->exe_changed = EXE_UNKNOWN;
	process->exe.len = process->cmdline.len = process->cgroup.len = -1;
	process->exe.is_cut = process->cmdline.is_cut = false;
}

/* --- what the process table has ---------------------------------------------- */

static void append(struct process_text *text, const char *bytes, size_t len)
{
	memcpy(text->bytes + text->len, bytes, len);
	text->len += (int)len;
}

/* The executable and the arguments with which the process opened the connection. */
static void recall_program(struct process *process, const struct conn_process *record,
			   bool want_cmdline)
{
	size_t begin = record->path_begin, args = record->args_length;

	if (begin < PROCESS_PATH_BYTES) {
		process->exe.len = 0;
		process->exe.is_cut = record->flags & PROCESS_PATH_CUT;
		append(&process->exe, record->bytes + begin, PROCESS_PATH_BYTES - begin);
		/* As /proc has it. */
		if (record->flags & PROCESS_PATH_DELETED)
			append(&process->exe, " (deleted)", strlen(" (deleted)"));
	}
	if (!want_cmdline || record->flags & PROCESS_ARGS_UNKNOWN || args > PROCESS_ARGS_BYTES)
		return;
	process->cmdline.len = 0;
	append(&process->cmdline, record->bytes + PROCESS_PATH_BYTES, args);
	process->cmdline.is_cut = record->flags & PROCESS_ARGS_CUT;
	if (process->cmdline.is_cut)
		process->cmdline.len =
			whole_characters(process->cmdline.bytes, process->cmdline.len);
	join_words(&process->cmdline);
}

/* Whether a command line of /proc begins with the recorded arguments; it may be longer. */
static bool has_arguments(const struct process_text *cmdline, const struct conn_process *record)
{
	size_t args = record->args_length;

	if (record->flags & PROCESS_ARGS_UNKNOWN || args > PROCESS_ARGS_BYTES)
		return false;
	/* join_words() has left out those at the end. */
	while (args > 0 && !record->bytes[PROCESS_PATH_BYTES + args - 1])
		args--;
	if (cmdline->len < (int)args)
		return false;
	for (size_t i = 0; i < args; i++) {
		char byte = record->bytes[PROCESS_PATH_BYTES + i];

		if (cmdline->bytes[i] != (byte ? byte : ' '))
			return false;
	}
	return true;
}

/*
 * The executable may not be looked at, as that of another user: the recorded one instead. The
 * process may run another by now, whose command line would not belong to it.
 */
static void recall_hidden(struct process *process, const struct conn_identity *identity,
			  bool want_cmdline)
{
	struct conn_process record;
	bool is_same;

	if (!process_table_find(identity, &record))
		return;
	is_same = has_arguments(&process->cmdline, &record);
	if (!is_same) {
		process->cmdline.len = -1;
		process->cmdline.is_cut = false;
	}
	recall_program(process, &record, want_cmdline && !is_same);
}

/* All that is left of a process that has ended. */
static void recall(struct process *process, const struct conn_identity *identity, bool want_cmdline)
{
	struct conn_process record;

	if (!process_table_find(identity, &record))
		return;
	recall_program(process, &record, want_cmdline);
	process->has_ppid = true;
	process->ppid = record.parent_pid;
	process->parent_comm_len = (int)strnlen(record.parent_comm, sizeof(record.parent_comm));
	memcpy(process->parent_comm, record.parent_comm, sizeof(process->parent_comm));
	process->login_uid = record.login_uid;
	process->session_id = record.session_id;
}

/* --- what /proc tells ---------------------------------------------------------- */

/* A number that is all of the file NAME; PROCESS_NO_ID when it can't be read. */
static __u32 read_id(int dir, const char *name)
{
	char text[16];
	int len = read_file(dir, name, text, sizeof(text) - 1);
	uint64_t id;

	if (len <= 0)
		return PROCESS_NO_ID;
	text[len] = '\0';
	return scan_u64(text, &id) && id < PROCESS_NO_ID ? (__u32)id : PROCESS_NO_ID;
}

/* The name of the parent, which may end meanwhile. */
static void read_parent_comm(struct process *process)
{
	int dir = open_process(process->ppid), len;
	char comm[IDENTITY_COMM_BYTES + 1];

	if (dir < 0)
		return;
	len = read_file(dir, "comm", comm, sizeof(comm));
	close(dir);
	if (len <= 0)
		return;
	process->parent_comm_len = comm[len - 1] == '\n' ? len - 1 : len;
	if (process->parent_comm_len > IDENTITY_COMM_BYTES)
		process->parent_comm_len = IDENTITY_COMM_BYTES;
	memcpy(process->parent_comm, comm, (size_t)process->parent_comm_len);
}

void process_set_unknown(struct process *process)
{
	process->status = PROCESS_UNKNOWN;
	forget_details(process);
}

/* Read the rest about a process that is live now and may end meanwhile. */
static void read_details(struct process *process, const struct conn_identity *identity, int dir,
			 const struct proc_stat *stat, bool want_cmdline)
{
	int thread = -1, program = dir, error, rc;
	struct proc_stat again;

	process->has_ppid = true;
	process->ppid = stat->parent;
	read_parent_comm(process);
	process->login_uid = read_id(dir, "loginuid");
	process->session_id = read_id(dir, "sessionid");
	if (stat->state == 'Z')
		thread = open_other_thread(dir, identity);
	if (thread >= 0)
		program = thread;
	read_cgroup(program, &process->cgroup);
	if (want_cmdline)
		read_cmdline(program, &process->cmdline);
	errno = 0;
	read_exe(program, &process->exe);
	error = errno;
	if (process->exe.len >= 0)
		process->exe_changed = compare_exe(program, &process->exe, identity);
	if (process->exe_changed == EXE_CHANGED) {
		struct conn_process record;

		process->exe.len = process->cmdline.len = -1;
		process->cmdline.is_cut = false;
		if (process_table_find(identity, &record))
			recall_program(process, &record, want_cmdline);
	}
	if (thread >= 0)
		close(thread);
	if (process->exe.len >= 0 || process->exe_changed == EXE_CHANGED)
		return;
	if (error == EACCES || error == EPERM) {
		recall_hidden(process, identity, want_cmdline);
		return;
	}
	/*
	 * A process without an executable has ended, unless its first thread has ended and
	 * no other one was found: /proc is asked again.
	 */
	rc = read_proc_stat(dir, "stat", &again);
	process->status = !rc		  ? judge(&again, identity)
			  : rc == -EPROTO ? PROCESS_UNKNOWN
					  : PROCESS_EXITED;
	if (process->status != PROCESS_LIVE) {
		forget_details(process);
		recall(process, identity, want_cmdline);
	} else if (process->cmdline.len == 0)
		process->cmdline.len = -1; /* of a thread that has no memory any more */
}

void process_inspect(struct process *process, const struct conn_identity *identity,
		     bool want_cmdline)
{
	struct proc_stat stat;
	int dir;

	forget_details(process);
	process->status = look(identity, &dir, &stat);
	if (process->status == PROCESS_LIVE)
		read_details(process, identity, dir, &stat, want_cmdline);
	else
		recall(process, identity, want_cmdline);
	if (process->status == PROCESS_EXITED || process->status == PROCESS_REUSED)
		process->cgroup.len = cgroup_path(identity->cgroup_id, process->cgroup.bytes,
						  sizeof(process->cgroup.bytes));
	if (dir >= 0)
		close(dir);
}

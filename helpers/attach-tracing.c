// SPDX-License-Identifier: MIT
/*
 * attach-tracing: attach a pinned tracing program and pin its link.
 *
 * bpftool 7.1 loads and pins tracing programs but attaches none. The pinned link
 * keeps the program attached when this process is gone; removing the pin
 * detaches it. The pin of an iterator runs the program when it is read.
 */
#include "bpf.h"
#include "text.h"

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

static const char usage[] =
	"usage: attach-tracing PROGRAM_PIN LINK_PIN\n"
	"       attach-tracing --tracepoint GROUP/NAME PROGRAM_PIN LINK_PIN\n"
	"       attach-tracing --iterator PROGRAM_PIN LINK_PIN\n"
	"\n"
	"Attach the fentry, fexit or tp_btf program pinned at PROGRAM_PIN to the place\n"
	"it was loaded for, or a tracepoint program to the one that is named, and pin the\n"
	"link at LINK_PIN. Removing LINK_PIN detaches.\n"
	"\n"
	"Exit status: 0 attached, 2 bad arguments, 3 the kernel refused.\n";

static int fail(const char *what, const char *path, int rc)
{
	warn_parts("cannot ", what, " ", path, ": ", strerror(-rc), NULL);
	return EXIT_UNAVAILABLE;
}

/*
 * The number that perf_event_open(2) knows a tracepoint by, or -errno. It stands in
 * tracefs, which need not be mounted: this instance of it has no place in the tree.
 */
static int64_t tracepoint_id(const char *name)
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

int main(int argc, char **argv)
{
	const char *tracepoint = NULL;
	int prog, link, rc;
	bool iterator;
	int64_t id;

	set_program_name(argv[0]);
	if (answered_help(argc, argv, usage))
		return finish(EXIT_FOUND);
	iterator = argc > 1 && strcmp(argv[1], "--iterator") == 0;
	argc -= iterator;
	argv += iterator;
	if (argc == 5 && strcmp(argv[1], "--tracepoint") == 0) {
		tracepoint = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (argc != 3)
		return misuse("needed: PROGRAM_PIN LINK_PIN", "");

	prog = bpf_open_pin(argv[1], 0);
	if (prog < 0)
		return fail("open", argv[1], prog);
	if (tracepoint) {
		id = tracepoint_id(tracepoint);
		if (id < 0)
			return fail("find tracepoint", tracepoint, (int)id);
		link = bpf_attach_tracepoint(prog, (__u64)id);
	} else {
		link = iterator ? bpf_attach_iterator(prog) : bpf_attach_tracing(prog);
	}
	if (link < 0)
		return fail("attach", argv[1], link);
	rc = bpf_pin(link, argv[2]);
	if (rc)
		return fail("pin the link at", argv[2], rc);
	return EXIT_FOUND;
}

// SPDX-License-Identifier: MIT
/*
 * pinned: what is pinned below this directory, and is it attached?
 *
 * One process tells the scripts all that they compare, where "bpftool prog show" takes
 * one for each pin. Works without CAP_SYS_ADMIN, as in a container: what is pinned is
 * opened by its path, and programs of others are told by their ids.
 */
#include "lib/bpf.h"
#include "lib/clock.h"
#include "lib/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: pinned PIN_DIR CGROUP [NAME...]\n"
	"\n"
	"Print what is pinned below PIN_DIR, what is attached to the cgroup CGROUP, a\n"
	"directory, and which of the NAMEs the BTF of this kernel has, a line each:\n"
	"\n"
	"  host ORDER CGROUP_ID\n"
	"  btf NAME...\n"
	"  refused KIND...\n"
	"  directory NAME PROGRAM...\n"
	"  program DIRECTORY NAME ID attached|loose TAG MAP_IDS SINCE SKIPPED\n"
	"  map NAME ID TYPE KEY_BYTES VALUE_BYTES ENTRIES FLAGS\n"
	"  other HOOK ID multi|override|exclusive before|after NAME CGROUP\n"
	"\n"
	"ORDER is that of the bytes of a number, little or big. CGROUP_ID is 1 for the root of\n"
	"the hierarchy, 0 for a cgroup that is gone.\n"
	"KIND, told together with the names, is fentry or fexit: no such program is permitted.\n"
	"SINCE is when it was loaded, in UTC; SKIPPED how often the kernel did not run it.\n"
	"HOOK and TYPE are the numbers of <linux/bpf.h>. The lines \"other\" are programs that\n"
	"are not pinned here, at CGROUP or a cgroup above it; they run before the last of\n"
	"the pinned ones or after it. NAME is - where it can't be told.\n"
	"\n"
	"Exit status: 0 done, 2 bad arguments, 3 it can't be told.\n";

/* The kernel lets 64 be attached to one hook of one cgroup. */
#define MOST_AT_HOOK 64
#define MOST_PROGRAMS 256 /* pinned here: ten times what there are, twice during an upgrade */
#define MOST_MAPS 64	  /* of one program: MAX_USED_MAPS of the kernel */
#define MOST_NAMES 64	  /* asked for: two today */
#define PATH_BYTES 1024

/* Every hook of a cgroup. Asking for one that the kernel does not have is an error, no more. */
static const __u32 hooks[] = {
	BPF_CGROUP_INET_INGRESS,    BPF_CGROUP_INET_EGRESS,	  BPF_CGROUP_INET_SOCK_CREATE,
	BPF_CGROUP_SOCK_OPS,	    BPF_CGROUP_INET4_BIND,	  BPF_CGROUP_INET6_BIND,
	BPF_CGROUP_INET4_CONNECT,   BPF_CGROUP_INET6_CONNECT,	  BPF_CGROUP_INET4_POST_BIND,
	BPF_CGROUP_INET6_POST_BIND, BPF_CGROUP_UDP4_SENDMSG,	  BPF_CGROUP_UDP6_SENDMSG,
	BPF_CGROUP_UDP4_RECVMSG,    BPF_CGROUP_UDP6_RECVMSG,	  BPF_CGROUP_GETSOCKOPT,
	BPF_CGROUP_SETSOCKOPT,	    BPF_CGROUP_INET_SOCK_RELEASE,
};
#define HOOKS (sizeof(hooks) / sizeof(*hooks))

static struct {
	__u32 ids[MOST_AT_HOOK];
	__u32 count;
	__u32 flags;
} attached[HOOKS];

static __u32 own[MOST_PROGRAMS];
static int own_count;

static bool join(char path[PATH_BYTES], const char *dir, const char *between, const char *name)
{
	if (strlen(dir) + strlen(between) + strlen(name) >= PATH_BYTES)
		return false;
	strcpy(path, dir);
	strcat(path, between);
	strcat(path, name);
	return true;
}

static int fail(const char *what, const char *path, int error)
{
	warn_parts("cannot ", what, " ", path, ": ", strerror(error), NULL);
	return EXIT_UNAVAILABLE;
}

/* --- the cgroup -------------------------------------------------------------- */

static int query_hooks(const char *path)
{
	int cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	/* A cgroup that was removed took its programs along. */
	if (cgroup < 0)
		return errno == ENOENT ? 0 : -errno;
	for (size_t i = 0; i < HOOKS; i++) {
		attached[i].count = MOST_AT_HOOK;
		rc = bpf_query_cgroup(cgroup, hooks[i], &attached[i].flags, attached[i].ids,
				      &attached[i].count);
		if (rc == -EINVAL || rc == -ENOSYS || rc == -EOPNOTSUPP)
			rc = 0, attached[i].count = 0; /* a hook that this kernel does not have */
		if (rc)
			break;
	}
	close(cgroup);
	return rc;
}

static bool is_at_cgroup(__u32 id)
{
	for (size_t i = 0; i < HOOKS; i++)
		for (__u32 j = 0; j < attached[i].count; j++)
			if (attached[i].ids[j] == id)
				return true;
	return false;
}

static bool is_own(__u32 id)
{
	for (int i = 0; i < own_count; i++)
		if (own[i] == id)
			return true;
	return false;
}

/* The hooks where one of ours is attached to CGROUP. */
static bool has_own[HOOKS];

static void find_own_hooks(void)
{
	for (size_t i = 0; i < HOOKS; i++)
		for (__u32 j = 0; j < attached[i].count; j++)
			has_own[i] |= is_own(attached[i].ids[j]);
}

/*
 * Whether a program at place J of a hook runs after one of ours, and none of ours after
 * it: the kernel runs those of one cgroup in the order of their attachment, then those of
 * the cgroup above it (kernel/bpf/cgroup.c: compute_effective_progs()).
 */
static bool is_after_ours(size_t hook, __u32 j, bool is_above)
{
	while (!is_above && ++j < attached[hook].count)
		if (is_own(attached[hook].ids[j]))
			return false;
	return has_own[hook];
}

static void print_others(const char *path, bool is_above)
{
	struct bpf_prog_info info;
	int prog;

	for (size_t i = 0; i < HOOKS; i++) {
		for (__u32 j = 0; j < attached[i].count; j++) {
			if (is_own(attached[i].ids[j]))
				continue;
			out_str("other ");
			out_u64(hooks[i]);
			out_str(" ");
			out_u64(attached[i].ids[j]);
			out_str(attached[i].flags & BPF_F_ALLOW_MULTI	   ? " multi "
				: attached[i].flags & BPF_F_ALLOW_OVERRIDE ? " override "
									   : " exclusive ");
			out_str(is_after_ours(i, j, is_above) ? "after " : "before ");
			prog = bpf_open_program(attached[i].ids[j]);
			if (prog >= 0 && !bpf_program_info(prog, &info, NULL, 0) && *info.name)
				out_escaped(info.name, strnlen(info.name, sizeof(info.name)));
			else
				out_str("-");
			if (prog >= 0)
				close(prog);
			out_str(" ");
			out_str(path);
			out_str("\n");
		}
	}
}

/* What is attached above can shut a program out as well. */
static int print_all_others(const char *cgroup)
{
	char path[PATH_BYTES], file[PATH_BYTES], *end;
	bool is_above = false;
	int rc = 0;

	if (!join(path, cgroup, "", ""))
		return -ENAMETOOLONG;
	find_own_hooks();
	while (!rc) {
		print_others(path, is_above);
		is_above = true;
		end = strrchr(path, '/');
		if (!end || end == path)
			break;
		*end = '\0';
		/* Above the root of the hierarchy is no cgroup. */
		if (!join(file, path, "/", "cgroup.procs") || access(file, F_OK))
			break;
		rc = query_hooks(path);
	}
	return rc;
}

/* --- programs ---------------------------------------------------------------- */

/* Whether the link that belongs to the pin DIRECTORY/NAME is of the program ID. */
static bool has_link(const char *dir, const char *directory, const char *name, __u32 id)
{
	static const char suffix[] = "_new";
	size_t len = strlen(directory), n = strlen(suffix);
	bool is_new = len > n && strcmp(directory + len - n, suffix) == 0;
	char path[PATH_BYTES];
	__u32 prog_id = 0;
	int link;

	if (!join(path, dir, is_new ? "/links_new/" : "/links/", name))
		return false;
	link = bpf_open_pin(path, 0);
	if (link < 0)
		return false;
	if (bpf_link_program(link, &prog_id))
		prog_id = 0;
	close(link);
	return prog_id == id;
}

static void print_tag(const __u8 tag[BPF_TAG_SIZE])
{
	for (int i = 0; i < BPF_TAG_SIZE; i++) {
		out_bytes(&"0123456789abcdef"[tag[i] >> 4], 1);
		out_bytes(&"0123456789abcdef"[tag[i] & 15], 1);
	}
}

/* LOADED is in nanoseconds since boot. */
static void print_time(__u64 loaded)
{
	__u64 ago = (clock_ns(CLOCK_BOOTTIME) - loaded) / NS_PER_SECOND;
	time_t then = time(NULL) - (time_t)ago;
	char text[32];
	struct tm tm;

	if (gmtime_r(&then, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		out_str(text);
	else
		out_str("-");
}

/* The names of the programs in the directory that is being read, a space before each. */
static char names[4096];

static bool add_name(const char *name)
{
	if (strlen(names) + strlen(name) + 1 >= sizeof(names))
		return false;
	strcat(strcat(names, " "), name);
	return true;
}

static int print_program(const char *dir, const char *directory, const char *name, const char *path)
{
	struct bpf_prog_info info;
	__u32 maps[MOST_MAPS];
	int prog = bpf_open_pin(path, 0), rc;

	if (prog < 0)
		return prog;
	rc = bpf_program_info(prog, &info, maps, MOST_MAPS);
	close(prog);
	if (rc)
		return rc == -EINVAL ? 0 : rc; /* not a program */
	if (own_count < MOST_PROGRAMS)
		own[own_count++] = info.id;
	if (!add_name(name))
		return -ENAMETOOLONG;
	out_str("program ");
	out_str(directory);
	out_str(" ");
	out_str(name);
	out_str(" ");
	out_u64(info.id);
	out_str(is_at_cgroup(info.id) || has_link(dir, directory, name, info.id) ? " attached "
										 : " loose ");
	print_tag(info.tag);
	for (__u32 i = 0; i < info.nr_map_ids && i < MOST_MAPS; i++) {
		out_str(i ? "," : " ");
		out_u64(maps[i]);
	}
	out_str(info.nr_map_ids ? " " : " - ");
	print_time(info.load_time);
	out_str(" ");
	out_u64(info.recursion_misses);
	out_str("\n");
	return 0;
}

static int print_map(const char *name, const char *path)
{
	struct bpf_map_info info;
	/* For reading only, so that who may no more than that can ask. */
	int map = bpf_open_pin(path, BPF_F_RDONLY), rc;

	if (map < 0)
		return map;
	rc = bpf_map_info(map, &info);
	close(map);
	if (rc)
		return rc == -EINVAL ? 0 : rc;
	out_str("map ");
	out_str(name);
	out_str(" ");
	out_u64(info.id);
	out_str(" ");
	out_u64(info.type);
	out_str(" ");
	out_u64(info.key_size);
	out_str(" ");
	out_u64(info.value_size);
	out_str(" ");
	out_u64(info.max_entries);
	out_str(" ");
	out_u64(info.map_flags);
	out_str("\n");
	return 0;
}

/* --- directories ------------------------------------------------------------- */

static int print_directory(const char *dir, const char *name)
{
	char path[PATH_BYTES], pin[PATH_BYTES];
	bool is_maps = strcmp(name, "maps") == 0;
	struct dirent *entry;
	DIR *stream;
	int rc = 0;

	if (!join(path, dir, "/", name))
		return -ENAMETOOLONG;
	stream = opendir(path);
	if (!stream)
		return errno == ENOTDIR ? 0 : -errno;
	*names = '\0';
	while (!rc && (entry = readdir(stream))) {
		if (*entry->d_name == '.')
			continue;
		if (!join(pin, path, "/", entry->d_name)) {
			rc = -ENAMETOOLONG;
			break;
		}
		rc = is_maps ? print_map(entry->d_name, pin)
			     : print_program(dir, name, entry->d_name, pin);
		/* Not a pin of that kind, or of a stranger. */
		if (rc == -EINVAL || rc == -EACCES)
			rc = 0;
	}
	closedir(stream);
	if (*names) {
		out_str("directory ");
		out_str(name);
		out_str(names);
		out_str("\n");
	}
	return rc;
}

static int print_pins(const char *dir)
{
	struct dirent *entry;
	DIR *stream = opendir(dir);
	int rc = 0;

	if (!stream)
		return errno == ENOENT ? 0 : -errno;
	while (!rc && (entry = readdir(stream)))
		if (*entry->d_name != '.' && strcmp(entry->d_name, "links") != 0 &&
		    strcmp(entry->d_name, "links_new") != 0)
			rc = print_directory(dir, entry->d_name);
	closedir(stream);
	return rc;
}

/* --- the kernel's BTF -------------------------------------------------------- */

#define BTF_PATH "/sys/kernel/btf/vmlinux"

/* Read at FROM until SIZE bytes are there or the file ends: the kernel gives a page at a time. */
static ssize_t read_at(int fd, char *buffer, size_t size, off_t from)
{
	size_t done = 0;
	ssize_t len;

	while (done < size) {
		len = pread(fd, buffer + done, size - done, from + (off_t)done);
		if (len < 0)
			return -errno;
		if (len == 0)
			break;
		done += (size_t)len;
	}
	return (ssize_t)done;
}

/* Mark the wanted names among these strings; the bytes of the last one, which is cut off. */
static size_t mark_names(const char *strings, size_t len, char **wanted, bool *has, int count)
{
	const char *end = strings + len, *next;

	while ((next = memchr(strings, '\0', (size_t)(end - strings)))) {
		for (int i = 0; i < count; i++)
			has[i] |= strcmp(strings, wanted[i]) == 0;
		strings = next + 1;
	}
	return (size_t)(end - strings);
}

/* The section of strings holds one after the other, each with its end: <linux/btf.h>. */
static int find_names(int fd, char **wanted, bool *has, int count)
{
	static char part[65536]; /* of the section, longer than any string in it */
	struct btf_header header;
	ssize_t len = read_at(fd, (char *)&header, sizeof(header), 0);
	size_t cut = 0, left, size;
	off_t from;

	if (len < 0)
		return (int)len;
	if (len < (ssize_t)sizeof(header) || header.magic != BTF_MAGIC)
		return -EINVAL;
	from = (off_t)header.hdr_len + (off_t)header.str_off;
	for (left = header.str_len; left; left -= (size_t)len) {
		size = sizeof(part) - cut < left ? sizeof(part) - cut : left;
		len = read_at(fd, part + cut, size, from);
		if (len <= 0)
			return len ? (int)len : -EINVAL;
		from += len;
		size = cut + (size_t)len;
		cut = mark_names(part, size, wanted, has, count);
		memmove(part, part + size - cut, cut);
	}
	return 0;
}

static int print_btf_names(char **wanted, int count)
{
	bool has[MOST_NAMES] = { false };
	int fd = open(BTF_PATH, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = find_names(fd, wanted, has, count);
	close(fd);
	if (rc)
		return rc;
	out_str("btf");
	for (int i = 0; i < count; i++) {
		if (has[i]) {
			out_str(" ");
			out_str(wanted[i]);
		}
	}
	out_str("\n");
	return 0;
}

static void print_refused(void)
{
	out_str("refused");
	if (bpf_refuses(BPF_TRACE_FENTRY))
		out_str(" fentry");
	if (bpf_refuses(BPF_TRACE_FEXIT))
		out_str(" fexit");
	out_str("\n");
}

int main(int argc, char **argv)
{
	struct stat cgroup;
	int rc;

	set_program_name(argv[0]);
	if (answered_help(argc, argv, usage))
		return finish(EXIT_FOUND);
	if (argc < 3)
		return misuse("needed: PIN_DIR CGROUP", "");
	if (argc - 3 > MOST_NAMES)
		return misuse("too many names", "");
	out_str(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "host little " : "host big ");
	out_u64(stat(argv[2], &cgroup) ? 0 : cgroup.st_ino);
	out_str("\n");
	rc = argc > 3 ? print_btf_names(argv + 3, argc - 3) : 0;
	if (rc)
		return fail("read", BTF_PATH, -rc);
	if (argc > 3)
		print_refused();
	rc = query_hooks(argv[2]);
	if (rc)
		return fail("tell what is attached to", argv[2], -rc);
	rc = print_pins(argv[1]);
	if (rc)
		return fail("read the pins below", argv[1], -rc);
	rc = print_all_others(argv[2]);
	if (rc)
		return fail("tell what is attached above", argv[2], -rc);
	return finish(EXIT_FOUND);
}

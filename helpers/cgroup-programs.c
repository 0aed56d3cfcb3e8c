// SPDX-License-Identifier: MIT
/*
 * cgroup-programs: which programs are attached to this cgroup?
 *
 * What "bpftool cgroup show" tells, without the names, for the hooks that connpin
 * uses. bpftool looks each name up, which takes CAP_SYS_ADMIN, and prints nothing at
 * all where that is refused; ids take CAP_NET_ADMIN.
 */
#include "bpf.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>

static const char usage[] =
	"usage: cgroup-programs CGROUP\n"
	"\n"
	"Print the programs attached to the directory CGROUP, a line each: the id, the\n"
	"hook as bpftool calls it, and the flags: multi, override or -.\n"
	"\n"
	"Exit status: 0 done, 1 there is no such cgroup, 2 bad arguments, 3 refused.\n";

/* The kernel lets 64 be attached to one hook of one cgroup. */
#define MOST 64

static const struct {
	__u32 type;
	const char *name;
} hooks[] = {
	{ BPF_CGROUP_INET_SOCK_CREATE, "cgroup_inet_sock_create" },
	{ BPF_CGROUP_INET6_CONNECT, "cgroup_inet6_connect" },
	{ BPF_CGROUP_UDP4_SENDMSG, "cgroup_udp4_sendmsg" },
	{ BPF_CGROUP_UDP6_SENDMSG, "cgroup_udp6_sendmsg" },
	{ BPF_CGROUP_SOCK_OPS, "cgroup_sock_ops" },
};

static int print_hook(int cgroup, __u32 type, const char *name)
{
	__u32 ids[MOST], count = MOST, flags = 0;
	int rc = bpf_query_cgroup(cgroup, type, &flags, ids, &count);

	if (rc)
		return rc;
	for (__u32 i = 0; i < count; i++) {
		out_u64(ids[i]);
		out_str(" ");
		out_str(name);
		out_str(flags & BPF_F_ALLOW_MULTI      ? " multi\n"
			: flags & BPF_F_ALLOW_OVERRIDE ? " override\n"
						       : " -\n");
	}
	return 0;
}

int main(int argc, char **argv)
{
	int cgroup, rc;

	set_program_name(argv[0]);
	if (answered_help(argc, argv, usage))
		return finish(EXIT_FOUND);
	if (argc != 2)
		return misuse("needed: CGROUP", "");
	cgroup = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0) {
		rc = errno;
		warn_parts("cannot open ", argv[1], ": ", strerror(rc), NULL);
		return rc == ENOENT ? EXIT_NOT_FOUND : EXIT_UNAVAILABLE;
	}
	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		rc = print_hook(cgroup, hooks[i].type, hooks[i].name);
		if (rc) {
			warn_parts("cannot tell what is attached to ", argv[1], ": ", strerror(-rc),
				   NULL);
			return EXIT_UNAVAILABLE;
		}
	}
	return finish(EXIT_FOUND);
}

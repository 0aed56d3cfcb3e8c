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

#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: attach-tracing PROGRAM_PIN LINK_PIN\n"
	"       attach-tracing --iterator PROGRAM_PIN LINK_PIN [MAP_PIN]\n"
	"\n"
	"Attach the fentry, fexit or tp_btf program pinned at PROGRAM_PIN to the place\n"
	"it was loaded for, and pin the link at LINK_PIN. Removing LINK_PIN detaches.\n"
	"An iterator goes over the elements of MAP_PIN when it is one of maps.\n"
	"\n"
	"Exit status: 0 attached, 2 bad arguments, 3 the kernel refused.\n";

static int fail(const char *what, const char *path, int rc)
{
	warn_parts("cannot ", what, " ", path, ": ", strerror(-rc), NULL);
	return EXIT_UNAVAILABLE;
}

int main(int argc, char **argv)
{
	int prog, link, rc, map = -1;
	bool iterator;

	set_program_name(argv[0]);
	if (answered_help(argc, argv, usage))
		return finish(EXIT_FOUND);
	iterator = argc > 1 && strcmp(argv[1], "--iterator") == 0;
	argc -= iterator;
	argv += iterator;
	if (argc != 3 && !(iterator && argc == 4))
		return misuse("needed: PROGRAM_PIN LINK_PIN", "");

	prog = bpf_open_pin(argv[1], 0);
	if (prog < 0)
		return fail("open", argv[1], prog);
	if (argc == 4) {
		map = bpf_open_pin(argv[3], 0);
		if (map < 0)
			return fail("open", argv[3], map);
	}
	link = iterator ? bpf_attach_iterator(prog, map) : bpf_attach_tracing(prog);
	if (link < 0)
		return fail("attach", argv[1], link);
	rc = bpf_pin(link, argv[2]);
	if (rc)
		return fail("pin the link at", argv[2], rc);
	return EXIT_FOUND;
}

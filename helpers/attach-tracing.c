// SPDX-License-Identifier: MIT
/*
 * attach-tracing: attach pinned tracing programs and pin their links.
 *
 * bpftool 7.1 loads and pins tracing programs but attaches none. A pinned link keeps its
 * program attached when this process is gone, and removing the pin detaches it. Reading the
 * pin of an iterator runs the program.
 */
#include "lib/bpf.h"
#include "lib/text.h"
#include "lib/tracepoint.h"

#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: attach-tracing HOW PROGRAM_PIN LINK_PIN [HOW PROGRAM_PIN LINK_PIN]...\n"
	"\n"
	"Attach each program pinned at PROGRAM_PIN and pin its link at LINK_PIN. HOW is\n"
	"  tracing                to what an fentry, fexit or tp_btf program was loaded for\n"
	"  iterator               an iterator: reading LINK_PIN runs it\n"
	"  tracepoint:GROUP/NAME  to that tracepoint\n"
	"  raw:NAME               to that raw tracepoint\n"
	"Removing LINK_PIN detaches. At the first that is refused it stops; the links of\n"
	"those before it stay.\n"
	"\n"
	"Exit status: 0 attached, 2 bad arguments, 3 the kernel refused.\n";

static int fail(const char *what, const char *path, int rc)
{
	warn_parts("cannot ", what, " ", path, ": ", strerror(-rc), NULL);
	return EXIT_UNAVAILABLE;
}

/* What follows PREFIX in TEXT; NULL when it begins otherwise. */
static const char *after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static int attach(const char *how, const char *program_pin, const char *link_pin)
{
	const char *raw = after(how, "raw:"), *tracepoint = after(how, "tracepoint:");
	int64_t id = 0;
	int prog, link, rc;

	if (!raw && !tracepoint && strcmp(how, "tracing") != 0 && strcmp(how, "iterator") != 0)
		return misuse("HOW is tracing, iterator, tracepoint:GROUP/NAME or raw:NAME, not ",
			      how);
	prog = bpf_open_pin(program_pin, 0);
	if (prog < 0)
		return fail("open", program_pin, prog);
	if (tracepoint)
		id = tracepoint_id(tracepoint);
	if (id < 0) {
		close(prog);
		return fail("find tracepoint", tracepoint, (int)id);
	}
	if (tracepoint)
		link = bpf_attach_tracepoint(prog, (__u64)id);
	else if (raw)
		link = bpf_attach_raw(prog, raw);
	else if (strcmp(how, "iterator") == 0)
		link = bpf_attach_iterator(prog);
	else
		link = bpf_attach_tracing(prog);
	close(prog);
	if (link < 0)
		return fail("attach", program_pin, link);
	rc = bpf_pin(link, link_pin);
	close(link);
	return rc ? fail("pin the link at", link_pin, rc) : EXIT_FOUND;
}

int main(int argc, char **argv)
{
	int rc = EXIT_FOUND;

	set_program_name(argv[0]);
	if (answered_help(argc, argv, usage))
		return finish(EXIT_FOUND);
	if (argc < 4 || (argc - 1) % 3)
		return misuse("needed: HOW PROGRAM_PIN LINK_PIN, once or more", "");
	for (int i = 1; i < argc && rc == EXIT_FOUND; i += 3)
		rc = attach(argv[i], argv[i + 1], argv[i + 2]);
	return rc;
}

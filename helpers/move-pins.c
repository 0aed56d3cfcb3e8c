// SPDX-License-Identifier: MIT
/*
 * move-pins: rename pins and directories of pins, several in one process.
 *
 * mv takes a process for each name that is not kept, and a new build's programs take the
 * place of the old ones by two renames for each directory.
 */
#include "lib/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: move-pins FROM TO [FROM TO]...\n"
	"\n"
	"Rename each FROM to TO, in this order. A pin that was at TO is replaced, as is an\n"
	"empty directory. At the first that fails it stops.\n"
	"\n"
	"Exit status: 0 renamed, 2 bad arguments, 3 not possible.\n";

int main(int argc, char **argv)
{
	set_program_name(argv[0]);
	if (answered_help(argc, argv, usage))
		return finish(EXIT_FOUND);
	if (argc < 3 || (argc - 1) % 2)
		return misuse("needed: FROM TO, once or more", "");
	for (int i = 1; i < argc; i += 2) {
		if (rename(argv[i], argv[i + 1])) {
			warn_parts("cannot rename ", argv[i], " to ", argv[i + 1], ": ",
				   strerror(errno), NULL);
			return EXIT_UNAVAILABLE;
		}
	}
	return EXIT_FOUND;
}

// SPDX-License-Identifier: MIT
/* The lines that "conn-lookup -" reads. */
#include "fuzz.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[] = { "conn-lookup", "-", NULL };
	static int input = -1;

	if (input < 0) {
		input = memfd_create("input", 0);
		/* Below what run_helper closes. */
		if (input < 0 || dup2(input, STDIN_FILENO) < 0)
			abort();
	}
	if (ftruncate(STDIN_FILENO, 0) || pwrite(STDIN_FILENO, data, size, 0) != (ssize_t)size ||
	    lseek(STDIN_FILENO, 0, SEEK_SET))
		abort();
	/* Whatever the lines are, the run goes on to their end. */
	if (run_helper(2, argv) == 2)
		abort();
	return 0;
}

// SPDX-License-Identifier: MIT
/* The lines that "conn-lookup -" reads. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[] = { "conn-lookup", "-", NULL };

	make_file(STDIN_FILENO, data, size);
	/* Whatever the lines are, the run goes on to their end. */
	if (run_helper(2, argv) == 2)
		abort();
	return 0;
}

// SPDX-License-Identifier: MIT
/* conn-lookup's arguments, each ended by a NUL. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)run_with_arguments("conn-lookup", data, size);
	return 0;
}

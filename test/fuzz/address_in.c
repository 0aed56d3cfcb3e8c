// SPDX-License-Identifier: MIT
/* address-in's arguments: a client's address, and the setting LOOKUP_ALLOW. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)run_with_arguments("address-in", data, size);
	return 0;
}

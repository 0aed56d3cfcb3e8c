// SPDX-License-Identifier: MIT
/* GET /cgi-bin/lookup. */
#include "cgi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return run_request("lookup", false, data, size);
}

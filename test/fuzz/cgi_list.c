// SPDX-License-Identifier: MIT
/* GET /cgi-bin/list. */
#include "cgi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return run_request("list", true, data, size);
}

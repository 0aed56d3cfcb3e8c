// SPDX-License-Identifier: MIT
/* The header Accept, as GET /cgi-bin/metrics reads it. */
#include "../../helpers/lib/http_accept.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *header = strndup((const char *)data, size);

	/* Who does not name it is not given it. */
	if (accepts_openmetrics(header) && !strcasestr(header, OPENMETRICS))
		abort();
	free(header);
	return 0;
}

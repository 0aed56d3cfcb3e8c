// SPDX-License-Identifier: MIT
#include "http_accept.h"

#include <string.h>
#include <strings.h>

/*
 * The weight of a media range in thousandths, from the parameters between P and END: "q=0.5"
 * is 500, and no such parameter 1000.
 */
static unsigned weight(const char *p, const char *end)
{
	unsigned thousandths = 0, unit = 1000;

	for (; p < end; p++) {
		if (*p != ';')
			continue;
		p += 1 + strspn(p + 1, " \t");
		if (end - p < 3 || (*p != 'q' && *p != 'Q') || p[1] != '=')
			continue;
		for (p += 2; p < end && unit > 0; p++) {
			if (*p == '.')
				continue;
			if (*p < '0' || *p > '9')
				break;
			thousandths += (unsigned)(*p - '0') * unit;
			unit /= 10;
		}
		return thousandths;
	}
	return 1000;
}

bool accepts_openmetrics(const char *accept)
{
	unsigned openmetrics = 0, text = 0;

	while (accept && *accept) {
		const char *range = accept + strspn(accept, " \t");
		const char *end = range + strcspn(range, ",");
		size_t name = strcspn(range, "; \t,");
		unsigned q = weight(range + name, end);

		if (name == strlen(OPENMETRICS) && !strncasecmp(range, OPENMETRICS, name)) {
			if (q > openmetrics)
				openmetrics = q;
		} else if (name == strlen("text/plain") &&
			   !strncasecmp(range, "text/plain", name)) {
			if (q > text)
				text = q;
		}
		accept = *end ? end + 1 : end;
	}
	return openmetrics > 0 && openmetrics >= text;
}

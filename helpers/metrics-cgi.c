// SPDX-License-Identifier: MIT
/*
 * metrics-cgi: GET /cgi-bin/metrics, what tcp-metrics prints.
 *
 * busybox httpd runs it directly, as cgi-bin/cgi-bin/metrics: a scrape starts one
 * process of 0.1 ms, where a script would start three.
 */
#include "metrics.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD(status, type) \
	"Status: " status "\r\nContent-Type: " type "\r\nCache-Control: no-store\r\n\r\n"

#define OPENMETRICS "application/openmetrics-text"

/*
 * The weight of a media range in thousandths: "q=0.5" among the parameters from P to
 * END; 1000 when there is none.
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

/*
 * Whether ACCEPT asks for OpenMetrics: it is named, and no less welcome than plain text.
 * Whoever takes anything gets plain text.
 */
static bool wants_openmetrics(const char *accept)
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

int main(int argc, char **argv)
{
	const char *method = getenv("REQUEST_METHOD");
	bool openmetrics = wants_openmetrics(getenv("HTTP_ACCEPT"));

	(void)argc;
	set_program_name(argv[0]);
	if (!method || strcmp(method, "GET") != 0) {
		out_str(HEAD("405 Method Not Allowed", "text/plain") "only GET is answered here\n");
		return finish(EXIT_FOUND);
	}
	warn_on_output(HEAD("503 Service Unavailable", "text/plain"));
	(void)print_metrics(openmetrics
				    ? HEAD("200 OK", OPENMETRICS "; version=1.0.0; charset=utf-8")
				    : HEAD("200 OK", "text/plain; version=0.0.4"),
			    openmetrics);
	return finish(EXIT_FOUND);
}

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

#define HEAD(status, type) \
	"Status: " status "\r\nContent-Type: " type "\r\nCache-Control: no-store\r\n\r\n"

int main(int argc, char **argv)
{
	const char *method = getenv("REQUEST_METHOD");

	(void)argc;
	set_program_name(argv[0]);
	if (!method || strcmp(method, "GET") != 0) {
		out_str(HEAD("405 Method Not Allowed", "text/plain") "only GET is answered here\n");
		return finish(EXIT_FOUND);
	}
	warn_on_output(HEAD("503 Service Unavailable", "text/plain"));
	(void)print_metrics(HEAD("200 OK", "text/plain; version=0.0.4"));
	return finish(EXIT_FOUND);
}

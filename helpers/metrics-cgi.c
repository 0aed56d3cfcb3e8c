// SPDX-License-Identifier: MIT
/*
 * metrics-cgi: GET /cgi-bin/metrics, what tcp-metrics prints.
 *
 * busybox httpd runs it directly, as cgi-bin/cgi-bin/metrics: a scrape starts one
 * process of 0.1 ms, where a script would start three.
 */
#include "lib/http_accept.h"
#include "lib/metrics.h"
#include "lib/http_request.h"
#include "lib/text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Room for all of it, so that this process never waits for httpd, which reads 8 kB at a time. */
#define PIPE_BYTES 262144

int main(int argc, char **argv)
{
	bool openmetrics = accepts_openmetrics(getenv("HTTP_ACCEPT"));

	(void)argc;
	set_program_name(argv[0]);
	if (!request_begin_text())
		return request_end();
	/* No pipe, or over what the user may have of them: then it does wait. */
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	(void)print_metrics(
		openmetrics ? CGI_HEAD("200 OK", OPENMETRICS "; version=1.0.0; charset=utf-8")
			    : CGI_HEAD("200 OK", "text/plain; version=0.0.4"),
		openmetrics);
	return request_end();
}

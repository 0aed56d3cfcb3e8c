// SPDX-License-Identifier: MIT
/*
 * metrics-cgi: answer GET /cgi-bin/metrics with what tcp-metrics prints.
 *
 * busybox httpd runs it directly, as cgi-bin/cgi-bin/metrics, so that a scrape starts one
 * process, which takes 0.1 ms; a script would start three.
 */
#include "lib/http_accept.h"
#include "lib/metrics.h"
#include "lib/http_request.h"
#include "lib/text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* All of an answer fits, so this process need not wait for httpd, which reads 8 kB at a time. */
#define PIPE_BYTES 262144

int main(int argc, char **argv)
{
	bool openmetrics = accepts_openmetrics(getenv("HTTP_ACCEPT"));

	(void)argc;
	set_program_name(argv[0]);
	if (!request_begin_text())
		return request_end();
	/* If that is refused, because the user has too many pipes, the process does wait. */
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	(void)print_metrics(
		openmetrics ? CGI_HEAD("200 OK", OPENMETRICS "; version=1.0.0; charset=utf-8")
			    : CGI_HEAD("200 OK", "text/plain; version=0.0.4"),
		openmetrics);
	return request_end();
}

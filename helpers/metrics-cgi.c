// SPDX-License-Identifier: MIT
/*
 * metrics-cgi: GET /cgi-bin/metrics, what tcp-metrics prints.
 *
 * busybox httpd runs it directly, as cgi-bin/cgi-bin/metrics: a scrape starts one
 * process of 0.1 ms, where a script would start three.
 */
#include "accept.h"
#include "metrics.h"
#include "request.h"
#include "text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Room for all of it, so that this process never waits for httpd, which reads 8 kB at a time. */
#define PIPE_BYTES 262144

/* The first message is the answer; what follows it is more of the text. */
static void fail(const char *message)
{
	static bool is_answered;

	if (!is_answered)
		out_str(CGI_HEAD("503 Service Unavailable", "text/plain"));
	is_answered = true;
	out_str(message);
	out_str("\n");
}

int main(int argc, char **argv)
{
	bool openmetrics = accepts_openmetrics(getenv("HTTP_ACCEPT"));

	(void)argc;
	set_program_name(argv[0]);
	if (!request_is_get()) {
		out_str(CGI_HEAD("405 Method Not Allowed",
				 "text/plain") "only GET is answered here\n");
		return finish(EXIT_FOUND);
	}
	/* No pipe, or over what the user may have of them: then it does wait. */
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	warn_with(fail);
	(void)print_metrics(
		openmetrics ? CGI_HEAD("200 OK", OPENMETRICS "; version=1.0.0; charset=utf-8")
			    : CGI_HEAD("200 OK", "text/plain; version=0.0.4"),
		openmetrics);
	return finish(EXIT_FOUND);
}

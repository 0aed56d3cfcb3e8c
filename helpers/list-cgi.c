// SPDX-License-Identifier: MIT
/*
 * list-cgi: GET /cgi-bin/list?protocol=udp&dst=A&sport=N&dport=N&pid=N, what conn-list -j
 * prints, an object a line.
 *
 * With encoding=gzip in that content encoding: httpd does not tell what else the client
 * would accept.
 */
#include "list.h"
#include "request.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PROTOCOL, DST, SPORT, DPORT, PID, ENCODING, PARAMETERS };

/* NULL, or what is wrong with the value. */
static conn_error read_parameter(int which, const char *value, struct entry_filter *filter)
{
	switch (which) {
	case PROTOCOL:
		return conn_parse_protocol(value, &filter->protocol);
	case DST:
		filter->has_dst = true;
		return conn_parse_address(value, &filter->dst);
	case SPORT:
		return conn_parse_port(value, &filter->src_port);
	case DPORT:
		return conn_parse_port(value, &filter->dst_port);
	case PID:
		return parse_number(value, 1, UINT32_MAX, &filter->pid) ? NULL
									: "is not a process id";
	default:
		return strcmp(value, "gzip") == 0 ? NULL : "is not an encoding: gzip";
	}
}

/* False when the query was refused. */
static bool read_filter(struct entry_filter *filter, bool *is_gzip)
{
	struct parameter parameters[PARAMETERS] = {
		[PROTOCOL] = { .name = "protocol" }, [DST] = { .name = "dst" },
		[SPORT] = { .name = "sport" },	     [DPORT] = { .name = "dport" },
		[PID] = { .name = "pid" },	     [ENCODING] = { .name = "encoding" },
	};

	if (!request_read_query(parameters, PARAMETERS))
		return false;
	for (int i = 0; i < PARAMETERS; i++) {
		conn_error error = NULL;

		if (*parameters[i].value)
			error = read_parameter(i, parameters[i].value, filter);
		if (error) {
			request_refuse(parameters[i].name, error);
			return false;
		}
	}
	*is_gzip = *parameters[ENCODING].value;
	return true;
}

#define NDJSON "application/x-ndjson"

/*
 * gzip between us and the client, its process in *PID: where to write to, or -1. It writes
 * nothing before it has read something, so that the head can go first.
 */
static int start_gzip(pid_t *pid)
{
	static char *const argv[] = { "gzip", "-1", NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	rc = posix_spawn_file_actions_init(&actions);
	if (!rc) {
		rc = posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
		if (!rc)
			rc = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(ends[0]);
	if (!rc)
		return ends[1];
	close(ends[1]);
	return -1;
}

static pid_t gzip; /* 0: none is wanted, or none could be started */

static void begin(void)
{
	request_answer(CGI_HEAD("200 OK", NDJSON));
}

static void begin_gzip(void)
{
	int to = start_gzip(&gzip);

	if (to < 0) {
		gzip = 0;
		begin();
		return;
	}
	request_answer(CGI_HEAD("200 OK", NDJSON "\r\nContent-Encoding: gzip"));
	/* Without its pipe gzip sees an end of file, and what follows has nowhere to go. */
	if (out_flush() || dup2(to, STDOUT_FILENO) < 0)
		close(STDOUT_FILENO);
	close(to);
}

static void answer_list(const struct entry_filter *filter, bool is_gzip)
{
	struct list list;
	int rc;

	gzip = 0;
	if (list_open(&list))
		return;
	rc = list_print(&list, filter, true, is_gzip ? begin_gzip : begin);
	/* A failed write is finish()'s to tell. */
	if (rc && !out_flush())
		warn_parts("cannot read the connection table: ", strerror(-rc), NULL);
	if (gzip) {
		(void)out_flush();
		close(STDOUT_FILENO);
		while (waitpid(gzip, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

int main(int argc, char **argv)
{
	struct entry_filter filter = { 0 };
	bool is_gzip = false;

	(void)argc;
	set_program_name(argv[0]);
	if (request_begin() && read_filter(&filter, &is_gzip))
		answer_list(&filter, is_gzip);
	return finish(EXIT_FOUND);
}

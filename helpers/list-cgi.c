// SPDX-License-Identifier: MIT
/*
 * list-cgi: answer GET /cgi-bin/list?protocol=udp&dst=A&sport=N&dport=N&pid=N&direction=any&
 * state=open with what conn-list -j prints, an object a line; GET
 * /cgi-bin/list?sockets=1&pid=N with what conn-list -j --sockets prints.
 *
 * A client that wants the answer compressed asks for it with encoding=gzip, because httpd does
 * not pass on the header Accept-Encoding.
 */
#include "lib/list.h"
#include "lib/http_request.h"
#include "lib/number.h"
#include "lib/other_sockets.h"
#include "lib/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PROTOCOL, DST, SPORT, DPORT, PID, DIRECTION, STATE, SOCKETS, ENCODING, PARAMETERS };

/* Put the value into the filter. NULL, or what is wrong with it. */
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
		return parse_number(value, 1, UINT32_MAX, &filter->pid) ? NULL : "is not a PID";
	case DIRECTION:
		filter->want_in = strcmp(value, "in") == 0 || strcmp(value, "any") == 0;
		filter->want_out = strcmp(value, "out") == 0 || strcmp(value, "any") == 0;
		filter->want_listeners = strcmp(value, "listen") == 0;
		return filter->want_in || filter->want_out || filter->want_listeners
			       ? NULL
			       : "is not a direction: in, out, any or listen";
	case STATE:
		filter->state = strcmp(value, "open") == 0     ? STATE_OPEN
				: strcmp(value, "closed") == 0 ? STATE_CLOSED
							       : ANY_STATE;
		return filter->state ? NULL : "is not a state: open or closed";
	case SOCKETS:
		return strcmp(value, "1") == 0 ? NULL : "is not 1";
	default:
		return strcmp(value, "gzip") == 0 ? NULL : "is not an encoding: gzip";
	}
}

/* False when the query was refused. */
static bool read_filter(struct entry_filter *filter, bool *is_sockets, bool *is_gzip)
{
	struct parameter parameters[PARAMETERS] = {
		[PROTOCOL] = { .name = "protocol" }, [DST] = { .name = "dst" },
		[SPORT] = { .name = "sport" },	     [DPORT] = { .name = "dport" },
		[PID] = { .name = "pid" },	     [DIRECTION] = { .name = "direction" },
		[STATE] = { .name = "state" },	     [SOCKETS] = { .name = "sockets" },
		[ENCODING] = { .name = "encoding" },
	};

	if (!request_read_query(parameters, PARAMETERS))
		return false;
	*is_sockets = *parameters[SOCKETS].value;
	for (int i = 0; i < PARAMETERS; i++) {
		conn_error error = NULL;

		if (*parameters[i].value)
			error = read_parameter(i, parameters[i].value, filter);
		if (!error && *is_sockets && !others_fit(filter))
			error = "is for connections and does not go with sockets=1";
		if (error) {
			request_refuse(parameters[i].name, error);
			return false;
		}
	}
	*is_gzip = *parameters[ENCODING].value;
	return true;
}

#define NDJSON "application/x-ndjson"

/* --- gzip ------------------------------------------------------------------- */

/* The gzip through which the list goes. */
static struct {
	pid_t pid; /* 0: the list is not compressed */
	int to, from;
} gzip;

/* False when gzip can't be started. */
static bool start_gzip(void)
{
	static char *const argv[] = { "gzip", "-1", NULL };
	posix_spawn_file_actions_t actions;
	int in[2], out[2], rc;

	if (pipe2(in, O_CLOEXEC))
		return false;
	if (pipe2(out, O_CLOEXEC)) {
		close(in[0]);
		close(in[1]);
		return false;
	}
	rc = posix_spawn_file_actions_init(&actions);
	if (!rc) {
		rc = posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
		if (!rc)
			rc = posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
		if (!rc)
			rc = posix_spawnp(&gzip.pid, argv[0], &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(in[0]);
	close(out[1]);
	gzip.to = in[1];
	gzip.from = out[0];
	/* If both sides waited for the other to read, neither would go on. */
	if (!rc && fcntl(gzip.to, F_SETFL, O_NONBLOCK) == 0)
		return true;
	close(gzip.to);
	close(gzip.from);
	gzip.pid = 0;
	return false;
}

/* Move what gzip has written into the answer. 1, 0 at its end, or -errno. */
static int take_from_gzip(void)
{
	char bytes[16384];
	ssize_t n = read(gzip.from, bytes, sizeof(bytes));
	int rc;

	if (n <= 0)
		return n == 0 ? 0 : errno == EINTR ? 1 : -errno;
	rc = request_write(bytes, (size_t)n);
	return rc ? rc : 1;
}

/* The writer for out_with(): hands bytes to gzip. */
static int put_into_gzip(const char *bytes, size_t len)
{
	while (len > 0) {
		struct pollfd ends[] = { { .fd = gzip.to, .events = POLLOUT },
					 { .fd = gzip.from, .events = POLLIN } };
		ssize_t n;
		int rc;

		if (poll(ends, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (ends[1].revents) {
			rc = take_from_gzip();
			if (rc <= 0)
				return rc ? rc : -EPIPE;
		}
		if (!ends[0].revents)
			continue;
		n = write(gzip.to, bytes, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Move the rest into the answer and end gzip; if it failed, the answer ends as incomplete. */
static void end_gzip(void)
{
	int rc = out_flush(), status = 0;

	close(gzip.to);
	while (!rc && (rc = take_from_gzip()) > 0)
		rc = 0;
	close(gzip.from);
	while (waitpid(gzip.pid, &status, 0) < 0 && errno == EINTR)
		;
	out_with(request_write);
	if (rc || status)
		request_fail("503 Service Unavailable", "gzip failed");
	gzip.pid = 0;
}

/* --- the list --------------------------------------------------------------- */

#define NDJSON "application/x-ndjson"

static void begin(void)
{
	request_answer(CGI_HEAD("200 OK", NDJSON));
}

static void begin_gzip(void)
{
	if (!start_gzip()) {
		begin();
		return;
	}
	request_answer(CGI_HEAD("200 OK", NDJSON "\r\nContent-Encoding: gzip"));
	if (out_flush() == 0)
		out_with(put_into_gzip);
}

/* End the answer after reading WHAT has ended with RC. */
static void end_list(int rc, const char *what)
{
	if (gzip.pid)
		end_gzip();
	/* When writing failed there is no client any more. */
	if (rc && !out_flush())
		warn_parts("cannot read ", what, ": ", strerror(-rc), NULL);
}

static void answer_list(const struct entry_filter *filter, bool is_gzip)
{
	struct list list;

	if (list_open(&list, filter))
		return;
	end_list(list_print(&list, filter, true, is_gzip ? begin_gzip : begin),
		 "the connection table");
}

static void answer_sockets(const struct entry_filter *filter, bool is_gzip)
{
	int map = others_open();

	if (map < 0)
		return;
	end_list(others_print(map, filter, true, is_gzip ? begin_gzip : begin),
		 "the other sockets");
	close(map);
}

int main(int argc, char **argv)
{
	struct entry_filter filter = { 0 };
	struct asker asker;
	bool is_sockets = false, is_gzip = false;

	(void)argc;
	set_program_name(argv[0]);
	if (request_begin() && request_asker(&asker) &&
	    read_filter(&filter, &is_sockets, &is_gzip)) {
		filter.has_uid = !asker.sees_all;
		filter.uid = asker.uid;
		gzip.pid = 0;
		if (is_sockets)
			answer_sockets(&filter, is_gzip);
		else
			answer_list(&filter, is_gzip);
	}
	return request_end();
}

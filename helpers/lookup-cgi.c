// SPDX-License-Identifier: MIT
/*
 * lookup-cgi: answer GET /cgi-bin/lookup?dst=A&sport=N&dport=N&protocol=tcp&src=A with what
 * conn-lookup -j prints.
 */
#include "lib/lookup.h"
#include "lib/http_request.h"
#include "lib/text.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { DST, SPORT, DPORT, PROTOCOL, SRC, PARAMETERS };

/* False when the query was refused. */
static bool read_question(struct conn *conn, struct conn_source *source)
{
	struct parameter parameters[PARAMETERS] = {
		[DST] = { .name = "dst" },     [SPORT] = { .name = "sport" },
		[DPORT] = { .name = "dport" }, [PROTOCOL] = { .name = "protocol" },
		[SRC] = { .name = "src" },
	};
	conn_error errors[PARAMETERS] = { NULL };

	if (!request_read_query(parameters, PARAMETERS))
		return false;
	errors[DST] = conn_parse_address(parameters[DST].value, &conn->dst);
	errors[SPORT] = conn_parse_port(parameters[SPORT].value, &conn->src_port);
	errors[DPORT] = conn_parse_port(parameters[DPORT].value, &conn->dst_port);
	conn->protocol = IPPROTO_TCP;
	if (*parameters[PROTOCOL].value)
		errors[PROTOCOL] = conn_parse_protocol(parameters[PROTOCOL].value, &conn->protocol);
	if (*parameters[SRC].value)
		errors[SRC] = conn_parse_source(parameters[SRC].value, source);
	for (int i = 0; i < PARAMETERS; i++) {
		if (errors[i]) {
			request_refuse(parameters[i].name,
				       *parameters[i].value ? errors[i] : "is missing");
			return false;
		}
	}
	return true;
}

static void answer_question(const struct asker *asker, const struct conn *conn,
			    const struct conn_source *source)
{
	struct answer answers[LOOKUP_RECORDS];
	struct identity_query query;
	struct process process;
	struct facts facts;
	struct lookup lookup = { .netns = { .kind = NETNS_OWN },
				 .want_user = !asker->sees_all,
				 .uid = asker->uid };
	const char *cmdline = getenv("LOOKUP_CMDLINE");
	int count;

	lookup_open(&lookup);
	identity_query(&query, &lookup.identities, conn);
	query.source = *source;
	count = lookup_answers(&lookup, conn, &query, answers);
	if (count == 0)
		request_fail("404 Not Found", "not found");
	else if (count < 0 && count != -ENODEV) /* of which there was a message */
		warn_parts("cannot read the connection table: ", strerror(-count), NULL);
	if (count <= 0)
		return;
	/* A command line may hold secrets. */
	facts = answer_inspect(&answers[0], &process, cmdline && strcmp(cmdline, "yes") == 0);
	request_answer(CGI_HEAD("200 OK", "application/json"));
	answer_print_json(&facts);
	out_str("\n");
}

int main(int argc, char **argv)
{
	struct asker asker;
	struct conn_source source = { .is_asked = false };
	struct conn conn;

	(void)argc;
	set_program_name(argv[0]);
	if (request_begin() && request_asker(&asker) && read_question(&conn, &source))
		answer_question(&asker, &conn, &source);
	return request_end();
}

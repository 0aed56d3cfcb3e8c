// SPDX-License-Identifier: MIT
/*
 * conn-lookup: which process opened this connection?
 *
 * One question on the command line, or with "-" one a line on standard input.
 */
#include "lib/answer.h"
#include "lib/batch.h"
#include "lib/conn.h"
#include "lib/directories.h"
#include "lib/lookup.h"
#include "lib/text.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char usage[] =
	"usage: conn-lookup [-p|--protocol tcp|udp] [-j|--json] [-q|--quiet]\n"
	"                   [--src ADDRESS] [--netns PID|PATH|any] [--all]\n"
	"                   [--no-cmdline] [--ancestors] DST SRC_PORT DST_PORT\n"
	"       conn-lookup [--netns PID|PATH|any] [--no-cmdline] -\n"
	"\n"
	"Print the process that opened or accepted the TCP connection, or sent the UDP\n"
	"datagram, between the local port SRC_PORT and the port DST_PORT of the other\n"
	"side, whose address is DST, and its status: live, exited, reused (another\n"
	"process has its PID now), or unknown.\n"
	"\n"
	"  -p, --protocol P  tcp (default) or udp\n"
	"  -j, --json        one JSON object on one line\n"
	"  -q, --quiet       the PID alone\n"
	"  --src ADDRESS     only the connection from this local address\n"
	"  --netns N         only connections of this network namespace: that of process\n"
	"                    N, or the one that is a file at the path N, or any. Without\n"
	"                    it that of the caller; but with --src, if the caller's has\n"
	"                    no such address, any\n"
	"  --all             every record of this connection, those of the caller's\n"
	"                    namespace first\n"
	"  --ancestors       its parent, the parent of that, and so on to the first\n"
	"  --no-cmdline      leave out the command line, which may hold secrets\n"
	"  -                 read lines \"PROTOCOL DST SRC_PORT DST_PORT [SRC]\" and answer\n"
	"                    each with a JSON object, in order, until end of file\n"
	"  -h, --help        this text\n"
	"  -V, --version     the version\n"
	"\n"
	"Exit status: 0 found, 1 not found, 2 bad arguments, 3 the maps can't be read.\n"
	"Environment: PIN_DIR, where the maps are pinned (" PIN_DIR_DEFAULT ");\n"
	"CONNPIN_CONF, the file of settings.\n";

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_QUIET };

static int bad_operand(const char *name, const char *value, conn_error error)
{
	warn_parts(name, " '", value, "' ", error, NULL);
	return EXIT_MISUSE;
}

struct question {
	uint8_t protocol;
	enum format format;
	bool all;
	bool want_cmdline;
	bool want_ancestors;
	struct netns_choice netns;
	struct conn_source source;
};

static void print_answer(const struct answer *answer, const struct question *question)
{
	struct process process;
	struct facts facts;

	if (question->format == FORMAT_QUIET) {
		out_u64(answer->pid);
		out_str("\n");
		return;
	}
	facts = answer_inspect(answer, &process, question->want_cmdline);
	facts.want_ancestors = question->want_ancestors;
	if (question->format == FORMAT_JSON) {
		answer_print_json(&facts);
		out_str("\n");
	} else {
		answer_print_text(&facts);
	}
}

static int answer_one(char **operand, const struct question *question)
{
	struct answer answers[LOOKUP_RECORDS];
	struct lookup lookup = { .netns = question->netns, .want_all = question->all };
	struct identity_query query;
	struct conn conn = { .protocol = question->protocol };
	conn_error error;
	int count;

	error = conn_parse_address(operand[0], &conn.dst);
	if (error)
		return bad_operand("DST", operand[0], error);
	error = conn_parse_port(operand[1], &conn.src_port);
	if (error)
		return bad_operand("SRC_PORT", operand[1], error);
	error = conn_parse_port(operand[2], &conn.dst_port);
	if (error)
		return bad_operand("DST_PORT", operand[2], error);

	lookup_open(&lookup);
	identity_query(&query, &lookup.identities, &conn);
	query.source = question->source;
	count = lookup_answers(&lookup, &conn, &query, answers);
	if (count == -ENODEV)
		return EXIT_UNAVAILABLE;
	if (count < 0) {
		warn_parts("cannot read the connection table: ", strerror(-count), NULL);
		return EXIT_UNAVAILABLE;
	}
	if (count == 0) {
		warn_parts("no process is known for this connection", NULL);
		return EXIT_NOT_FOUND;
	}
	for (int i = 0; i < (question->all ? count : 1); i++) {
		if (i > 0 && question->format == FORMAT_TEXT)
			out_str("\n");
		print_answer(&answers[i], question);
	}
	return finish(EXIT_FOUND);
}

enum { OPTION_SRC = 256, OPTION_NETNS, OPTION_ALL, OPTION_NO_CMDLINE, OPTION_ANCESTORS };

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "protocol", required_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "src", required_argument, NULL, OPTION_SRC },
		{ "netns", required_argument, NULL, OPTION_NETNS },
		{ "all", no_argument, NULL, OPTION_ALL },
		{ "no-cmdline", no_argument, NULL, OPTION_NO_CMDLINE },
		{ "ancestors", no_argument, NULL, OPTION_ANCESTORS },
		{ NULL, 0, NULL, 0 },
	};
	struct question question = { .protocol = 6, .want_cmdline = true };
	const char *protocol_name = NULL;
	conn_error error;
	int c;

	set_program_name(argv[0]);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":p:jqhV", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			error = conn_parse_protocol(optarg, &question.protocol);
			if (error)
				return bad_operand("PROTOCOL", optarg, error);
			protocol_name = optarg;
			break;
		case 'j':
			question.format = FORMAT_JSON;
			break;
		case 'q':
			question.format = FORMAT_QUIET;
			break;
		case OPTION_SRC:
			error = conn_parse_source(optarg, &question.source);
			if (error)
				return bad_operand("--src", optarg, error);
			break;
		case OPTION_NETNS:
			error = netns_parse(optarg, &question.netns);
			if (error)
				return bad_operand("--netns", optarg, error);
			break;
		case OPTION_ALL:
			question.all = true;
			break;
		case OPTION_NO_CMDLINE:
			question.want_cmdline = false;
			break;
		case OPTION_ANCESTORS:
			question.want_ancestors = true;
			break;
		case 'h':
			out_str(usage);
			return finish(EXIT_FOUND);
		case 'V':
			out_version();
			return finish(EXIT_FOUND);
		default:
			return bad_option(c, argv);
		}
	}
	argc -= optind;
	argv += optind;
	if (argc == 1 && strcmp(argv[0], "-") == 0) {
		if (protocol_name || question.format == FORMAT_QUIET || question.all ||
		    question.source.is_asked || question.want_ancestors)
			return misuse("with - protocol and source are in each line, and each gets "
				      "one JSON object",
				      "");
		return answer_batch(&question.netns, question.want_cmdline);
	}
	if (argc != 3)
		return misuse("needed: DST SRC_PORT DST_PORT", "");
	return answer_one(argv, &question);
}

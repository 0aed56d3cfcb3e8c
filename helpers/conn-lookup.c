// SPDX-License-Identifier: MIT
/*
 * conn-lookup: which process opened this connection?
 *
 * One question on the command line, or with "-" one a line on standard input.
 * A question costs one system call on an open map.
 */
#include "batch.h"
#include "conn.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char usage[] =
	"usage: conn-lookup [-p|--protocol tcp|udp] [-j|--json] [-q|--quiet]\n"
	"                   DST SRC_PORT DST_PORT\n"
	"       conn-lookup -\n"
	"\n"
	"Print the process that opened the TCP connection, or sent the UDP datagram,\n"
	"from local port SRC_PORT to DST_PORT of the address DST.\n"
	"\n"
	"  -p, --protocol P  tcp (default) or udp\n"
	"  -j, --json        one JSON object on one line\n"
	"  -q, --quiet       the process id alone\n"
	"  -                 read \"PROTOCOL DST SRC_PORT DST_PORT\" lines, answer each\n"
	"                    with a JSON object, in order, until end of file\n"
	"  -h, --help        this text\n"
	"  -V, --version     the version\n"
	"\n"
	"Exit status: 0 found, 1 not found, 2 bad arguments, 3 the maps can't be read.\n"
	"Environment: PIN_DIR, where the maps are pinned (/sys/fs/bpf/connpin).\n";

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_QUIET };

static int bad_operand(const char *name, const char *value, conn_error error)
{
	warn_parts(name, " '", value, "' ", error, NULL);
	return EXIT_MISUSE;
}

static void print_answer(const struct conn *conn, conn_pid pid, enum format format)
{
	if (format == FORMAT_QUIET) {
		out_u64(pid);
	} else if (format == FORMAT_JSON) {
		out_str("{\"pid\":");
		out_u64(pid);
		out_str(",");
		conn_print_json_fields(conn);
		out_str("}");
	} else {
		out_str("PID: ");
		out_u64(pid);
		out_str("\nprotocol: ");
		conn_print_protocol(conn);
		out_str("\ndst_ip: ");
		conn_print_address(conn);
		out_str("\nsrc_port: ");
		out_u64(conn_src_port(conn));
		out_str("\ndst_port: ");
		out_u64(conn_dst_port(conn));
	}
	out_str("\n");
}

static int answer_one(char **operand, uint8_t protocol, enum format format)
{
	struct conn_maps maps;
	struct conn conn;
	uint16_t src_port, dst_port;
	conn_error error;
	conn_pid pid;
	int rc;

	error = conn_parse_address(operand[0], &conn);
	if (error)
		return bad_operand("DST", operand[0], error);
	error = conn_parse_port(operand[1], &src_port);
	if (error)
		return bad_operand("SRC_PORT", operand[1], error);
	error = conn_parse_port(operand[2], &dst_port);
	if (error)
		return bad_operand("DST_PORT", operand[2], error);
	conn_set_ports(&conn, protocol, src_port, dst_port);

	if (conn_open_for(&maps, &conn) < 0)
		return EXIT_UNAVAILABLE;
	rc = conn_lookup(&maps, &conn, &pid);
	if (rc == -ENOENT) {
		warn_parts("no process is known for this connection", NULL);
		return EXIT_NOT_FOUND;
	}
	if (rc) {
		warn_parts("cannot read the connection table: ", strerror(-rc), NULL);
		return EXIT_UNAVAILABLE;
	}
	print_answer(&conn, pid, format);
	return finish(EXIT_FOUND);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "protocol", required_argument, NULL, 'p' }, { "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },	      { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },	      { NULL, 0, NULL, 0 },
	};
	enum format format = FORMAT_TEXT;
	const char *protocol_name = NULL;
	uint8_t protocol = 6;
	conn_error error;
	int c;

	set_program_name(argv[0]);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":p:jqhV", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			error = conn_parse_protocol(optarg, &protocol);
			if (error)
				return bad_operand("PROTOCOL", optarg, error);
			protocol_name = optarg;
			break;
		case 'j':
			format = FORMAT_JSON;
			break;
		case 'q':
			format = FORMAT_QUIET;
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
		if (protocol_name || format == FORMAT_QUIET)
			return misuse("with - the protocol is in each line and answers are JSON",
				      "");
		return answer_batch();
	}
	if (argc != 3)
		return misuse("needed: DST SRC_PORT DST_PORT", "");
	return answer_one(argv, protocol, format);
}

// SPDX-License-Identifier: MIT
/* conn-list: which connections are tracked? */
#include "lib/conn.h"
#include "lib/directories.h"
#include "lib/follow.h"
#include "lib/list.h"
#include "lib/number.h"
#include "lib/other_sockets.h"
#include "lib/text.h"

#include <getopt.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: conn-list [-j] [-f | -w SECONDS] [--out] [--in] [--listen] [--open | --closed]\n"
	"                 [-p tcp|udp] [--dst ADDRESS]\n"
	"                 [--src-port PORT] [--dst-port PORT] [--pid PID] [--comm NAME]\n"
	"       conn-list --sockets [-j] [-w SECONDS] [--pid PID] [--comm NAME]\n"
	"\n"
	"Print every recorded connection that was opened here, a line each:\n"
	"PROTOCOL DST SRC_PORT DST_PORT PID STATUS COMM\n"
	"STATUS is live, exited, reused or unknown, COMM the name that the process had.\n"
	"\n"
	"  --out               those that were opened here, as without the next two\n"
	"  --in                those that were accepted here\n"
	"  --listen            the sockets that listen; DST_PORT is 0\n"
	"  --open, --closed    only those known to be open, or to have ended; with\n"
	"                      -f --closed each connection as it ends\n"
	"  --sockets           the sockets that are neither TCP nor UDP instead:\n"
	"                      KIND PROTOCOL PID STATUS HELD COMM, HELD being held,\n"
	"                      closed, or - when that is not known\n"
	"  -p, --protocol P    only tcp, or only udp\n"
	"  --dst ADDRESS       only those to this address\n"
	"  --src-port PORT     only those from this local port\n"
	"  --dst-port PORT     only those to this port\n"
	"  --pid PID           only those of this process\n"
	"  --comm NAME         only those of processes of this name, 15 bytes at most\n"
	"  -j, --json          a JSON object a line\n"
	"  -f, --follow        each new connection once, as it appears, and no old one\n"
	"  -w, --watch SECONDS the whole table again every SECONDS, 1 to 86400;\n"
	"                      without -j an empty line stands between two\n"
	"  -h, --help          this text\n"
	"  -V, --version       the version\n"
	"\n"
	"Exit status: 0 done, 2 bad arguments, 3 the maps can't be read, or what is\n"
	"asked for is not recorded here.\n"
	"Environment: PIN_DIR, where the maps are pinned (" PIN_DIR_DEFAULT ");\n"
	"RUN_DIR, where attaching wrote down which features are on (" RUN_DIR_DEFAULT ");\n"
	"CONNPIN_CONF, the file of settings.\n";

/* False when nothing more is to be printed. */
static bool wait_for_next(bool json, uint64_t seconds)
{
	if (!seconds)
		return false;
	if (!json)
		out_str("\n");
	if (out_flush())
		return false;
	(void)nanosleep(&(struct timespec) { .tv_sec = (time_t)seconds }, NULL);
	return true;
}

/* The exit status after reading WHAT has ended with RC. */
static int end_list(int rc, const char *what)
{
	/* finish() reports it when writing failed instead. */
	if (rc && !out_flush()) {
		warn_parts("cannot read ", what, ": ", strerror(-rc), NULL);
		return EXIT_UNAVAILABLE;
	}
	return finish(EXIT_FOUND);
}

static int list_all(const struct entry_filter *filter, bool json, uint64_t seconds)
{
	struct list list;
	int rc;

	if (list_open(&list, filter))
		return EXIT_UNAVAILABLE;
	while (!(rc = list_print(&list, filter, json, NULL)) && wait_for_next(json, seconds))
		if (list_refresh(&list, filter))
			return EXIT_UNAVAILABLE;
	return end_list(rc, "the connection table");
}

static int list_sockets(const struct entry_filter *filter, bool json, uint64_t seconds)
{
	int map, rc;

	do {
		map = others_open();
		if (map < 0)
			return EXIT_UNAVAILABLE;
		rc = others_print(map, filter, json, NULL);
		close(map);
	} while (!rc && wait_for_next(json, seconds));
	return end_list(rc, "the other sockets");
}

enum {
	OPTION_OUT = 256,
	OPTION_IN,
	OPTION_LISTEN,
	OPTION_OPEN,
	OPTION_CLOSED,
	OPTION_DST,
	OPTION_SRC_PORT,
	OPTION_DST_PORT,
	OPTION_PID,
	OPTION_COMM,
	OPTION_SOCKETS
};

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "protocol", required_argument, NULL, 'p' },
		{ "out", no_argument, NULL, OPTION_OUT },
		{ "in", no_argument, NULL, OPTION_IN },
		{ "listen", no_argument, NULL, OPTION_LISTEN },
		{ "open", no_argument, NULL, OPTION_OPEN },
		{ "closed", no_argument, NULL, OPTION_CLOSED },
		{ "dst", required_argument, NULL, OPTION_DST },
		{ "src-port", required_argument, NULL, OPTION_SRC_PORT },
		{ "dst-port", required_argument, NULL, OPTION_DST_PORT },
		{ "pid", required_argument, NULL, OPTION_PID },
		{ "comm", required_argument, NULL, OPTION_COMM },
		{ "sockets", no_argument, NULL, OPTION_SOCKETS },
		{ "follow", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "watch", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct entry_filter filter = { 0 };
	bool json = false, is_following = false, is_sockets = false;
	uint64_t seconds = 0;
	conn_error error;
	int c;

	set_program_name(argv[0]);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":fjw:p:hV", options, NULL)) != -1) {
		error = NULL;
		switch (c) {
		case 'p':
			error = conn_parse_protocol(optarg, &filter.protocol);
			break;
		case OPTION_OUT:
			filter.want_out = true;
			break;
		case OPTION_IN:
			filter.want_in = true;
			break;
		case OPTION_LISTEN:
			filter.want_listeners = true;
			break;
		case OPTION_OPEN:
		case OPTION_CLOSED:
			if (filter.state && (filter.state == STATE_OPEN) != (c == OPTION_OPEN))
				return misuse("--open and --closed exclude each other", "");
			filter.state = c == OPTION_OPEN ? STATE_OPEN : STATE_CLOSED;
			break;
		case OPTION_DST:
			error = conn_parse_address(optarg, &filter.dst);
			filter.has_dst = true;
			break;
		case OPTION_SRC_PORT:
			error = conn_parse_port(optarg, &filter.src_port);
			break;
		case OPTION_DST_PORT:
			error = conn_parse_port(optarg, &filter.dst_port);
			break;
		case OPTION_PID:
			if (!parse_number(optarg, 1, UINT32_MAX, &filter.pid))
				error = "is not a PID";
			break;
		case OPTION_COMM:
			filter.comm = optarg;
			break;
		case OPTION_SOCKETS:
			is_sockets = true;
			break;
		case 'f':
			is_following = true;
			break;
		case 'j':
			json = true;
			break;
		case 'w':
			if (!parse_number(optarg, 1, 86400, &seconds))
				return misuse("SECONDS is a number from 1 to 86400, not ", optarg);
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
		if (error) {
			warn_parts("'", optarg, "' ", error, NULL);
			return EXIT_MISUSE;
		}
	}
	if (optind != argc)
		return misuse("unexpected argument ", argv[optind]);

	if (is_following && seconds)
		return misuse("-f and -w exclude each other", "");
	if (is_sockets && (is_following || !others_fit(&filter)))
		return misuse("--sockets goes with -j, -w, --pid and --comm alone", "");
	if (is_sockets)
		return list_sockets(&filter, json, seconds);
	return is_following ? follow(&filter, json) : list_all(&filter, json, seconds);
}

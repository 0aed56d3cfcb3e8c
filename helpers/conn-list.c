// SPDX-License-Identifier: MIT
/*
 * conn-list: which connections are tracked?
 *
 * Reads both maps in batches: 65,536 entries take a few hundred system calls.
 * An entry that is written while the table is read may be missing or old.
 */
#include "bpf.h"
#include "conn.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"usage: conn-list [-j] [-w SECONDS] [-p tcp|udp] [--dst ADDRESS]\n"
	"                 [--src-port PORT] [--dst-port PORT] [--pid PID]\n"
	"\n"
	"Print every tracked connection, a line each:\n"
	"PROTOCOL DST SRC_PORT DST_PORT PID\n"
	"\n"
	"  -p, --protocol P    only tcp, or only udp\n"
	"  --dst ADDRESS       only those to this address\n"
	"  --src-port PORT     only those from this local port\n"
	"  --dst-port PORT     only those to this port\n"
	"  --pid PID           only those of this process\n"
	"  -j, --json          a JSON object a line\n"
	"  -w, --watch SECONDS the whole table again every SECONDS, 1 to 86400;\n"
	"                      without -j an empty line stands between two\n"
	"  -h, --help          this text\n"
	"  -V, --version       the version\n"
	"\n"
	"Exit status: 0 done, 2 bad arguments, 3 the maps can't be read.\n"
	"Environment: PIN_DIR, where the maps are pinned (/sys/fs/bpf/connpin).\n";

/*
 * Entries a batch. The kernel answers whole buckets, so it must hold the fullest
 * one (-ENOSPC otherwise); with a hash over 65,536 buckets that is a handful.
 */
#define BATCH 1024

/* What to list; 0 and false where anything goes. */
static struct {
	uint8_t protocol;
	bool has_dst;
	struct conn dst; /* the address alone is compared */
	uint16_t src_port;
	uint16_t dst_port;
	uint64_t pid;
} wanted;

static bool is_wanted(const struct conn *conn, conn_pid pid)
{
	if (wanted.protocol && wanted.protocol != conn_protocol(conn))
		return false;
	if (wanted.src_port && wanted.src_port != conn_src_port(conn))
		return false;
	if (wanted.dst_port && wanted.dst_port != conn_dst_port(conn))
		return false;
	if (wanted.pid && wanted.pid != pid)
		return false;
	return !wanted.has_dst || conn_same_address(conn, &wanted.dst);
}

static void print_conn(const struct conn *conn, conn_pid pid, bool json)
{
	if (json) {
		out_str("{\"pid\":");
		out_u64(pid);
		out_str(",");
		conn_print_json_fields(conn);
		out_str("}\n");
		return;
	}
	conn_print_protocol(conn);
	out_str(" ");
	conn_print_address(conn);
	out_str(" ");
	out_u64(conn_src_port(conn));
	out_str(" ");
	out_u64(conn_dst_port(conn));
	out_str(" ");
	out_u64(pid);
	out_str("\n");
}

/* One map, whose keys are KEY_SIZE bytes: as large as its member of struct conn. */
static int list_map(int map, bool is_v6, size_t key_size, bool json)
{
	static unsigned char keys[BATCH * sizeof(struct conn_key_v6)];
	static conn_pid pids[BATCH];
	__u64 cursor = 0;
	const void *in = NULL;
	__u32 count;
	int rc;

	do {
		count = BATCH;
		rc = bpf_lookup_batch(map, in, &cursor, keys, pids, &count);
		if (rc && rc != -ENOENT)
			return rc;
		for (__u32 i = 0; i < count; i++) {
			struct conn conn = { .is_v6 = is_v6 };

			memcpy(&conn.v6, keys + i * key_size, key_size);
			if (is_wanted(&conn, pids[i]))
				print_conn(&conn, pids[i], json);
		}
		in = &cursor;
	} while (rc == 0);
	return out_flush();
}

static int list(const struct conn_maps *maps, bool json)
{
	int rc = list_map(maps->v4, false, sizeof(struct conn_key_v4), json);

	return rc ? rc : list_map(maps->v6, true, sizeof(struct conn_key_v6), json);
}

enum { OPTION_DST = 256, OPTION_SRC_PORT, OPTION_DST_PORT, OPTION_PID };

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "protocol", required_argument, NULL, 'p' },
		{ "dst", required_argument, NULL, OPTION_DST },
		{ "src-port", required_argument, NULL, OPTION_SRC_PORT },
		{ "dst-port", required_argument, NULL, OPTION_DST_PORT },
		{ "pid", required_argument, NULL, OPTION_PID },
		{ "json", no_argument, NULL, 'j' },
		{ "watch", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct conn_maps maps;
	uint64_t seconds = 0;
	conn_error error;
	bool json = false;
	int c, rc;

	set_program_name(argv[0]);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":jw:p:hV", options, NULL)) != -1) {
		error = NULL;
		switch (c) {
		case 'p':
			error = conn_parse_protocol(optarg, &wanted.protocol);
			break;
		case OPTION_DST:
			error = conn_parse_address(optarg, &wanted.dst);
			wanted.has_dst = true;
			break;
		case OPTION_SRC_PORT:
			error = conn_parse_port(optarg, &wanted.src_port);
			break;
		case OPTION_DST_PORT:
			error = conn_parse_port(optarg, &wanted.dst_port);
			break;
		case OPTION_PID:
			if (!parse_number(optarg, 1, UINT32_MAX, &wanted.pid))
				error = "is not a process id";
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

	if (conn_open(&maps))
		return EXIT_UNAVAILABLE;
	for (;;) {
		rc = list(&maps, json);
		if (rc || !seconds)
			break;
		if (!json)
			out_str("\n");
		rc = out_flush();
		if (rc)
			break;
		(void)nanosleep(&(struct timespec) { .tv_sec = (time_t)seconds }, NULL);
		conn_reopen(&maps);
	}
	/* A failed write is finish()'s to tell. */
	if (rc && !out_flush()) {
		warn_parts("cannot read the connection table: ", strerror(-rc), NULL);
		return EXIT_UNAVAILABLE;
	}
	return finish(EXIT_FOUND);
}

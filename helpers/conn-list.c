// SPDX-License-Identifier: MIT
/*
 * conn-list: which connections are tracked?
 *
 * Reads both maps in batches: 65,536 entries take a few hundred system calls.
 * An entry that is written while the table is read may be missing or old.
 */
#include "bpf.h"
#include "conn.h"
#include "entry.h"
#include "follow.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"usage: conn-list [-j] [-f | -w SECONDS] [-p tcp|udp] [--dst ADDRESS]\n"
	"                 [--src-port PORT] [--dst-port PORT] [--pid PID] [--comm NAME]\n"
	"\n"
	"Print every tracked connection, a line each:\n"
	"PROTOCOL DST SRC_PORT DST_PORT PID STATUS COMM\n"
	"STATUS is live, exited, reused or unknown; COMM is the name that the process had.\n"
	"\n"
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
	"Exit status: 0 done, 2 bad arguments, 3 the maps can't be read.\n"
	"Environment: PIN_DIR, where the maps are pinned (/sys/fs/bpf/connpin).\n";

/*
 * Entries a batch. The kernel answers whole buckets, so it must hold the fullest
 * one (-ENOSPC otherwise); with a hash over 65,536 buckets that is a handful.
 */
#define BATCH 1024

static struct entry_filter filter;
static bool json;

static void print_if_wanted(const struct answer *entry, uint64_t now)
{
	if (entry_is_wanted(&filter, entry))
		entry_print(entry, json, now);
}

/*
 * All that the identity table knows of CONN; and the bare PID, when that is another one's:
 * whose record was overwritten.
 */
static void list_conn(const struct identity_table *table, const struct conn *conn, conn_pid pid,
		      uint64_t now)
{
	struct conn_identity found[IDENTITY_WAYS];
	struct identity_query query;
	struct answer entry;
	bool is_known = false;
	int count;

	identity_query(&query, table, conn);
	count = identity_find(table, &query, found);
	for (int i = 0; i < count; i++) {
		is_known |= found[i].pid == pid;
		answer_of_record(&entry, &found[i]);
		print_if_wanted(&entry, now);
	}
	if (!is_known) {
		entry = (struct answer) { .conn = *conn, .pid = pid, .matches = 1 };
		print_if_wanted(&entry, now);
	}
}

/* One map, whose keys are KEY_SIZE bytes: as large as its member of struct conn. */
static int list_map(int map, bool is_v6, size_t key_size, const struct identity_table *table)
{
	static unsigned char keys[BATCH * sizeof(struct conn_key_v6)];
	static conn_pid pids[BATCH];
	uint64_t now = boot_time();
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
			list_conn(table, &conn, pids[i], now);
		}
		in = &cursor;
	} while (rc == 0);
	return out_flush();
}

static int list(const struct conn_maps *maps, const struct identity_table *table)
{
	int rc;

	entry_forget_processes();
	rc = list_map(maps->v4, false, sizeof(struct conn_key_v4), table);
	return rc ? rc : list_map(maps->v6, true, sizeof(struct conn_key_v6), table);
}

static int list_all(uint64_t seconds)
{
	struct identity_table table;
	struct conn_maps maps;
	int rc;

	if (conn_open(&maps))
		return EXIT_UNAVAILABLE;
	/* Without it the lines have no identity. */
	(void)identity_open(&table, true);
	for (;;) {
		rc = list(&maps, &table);
		if (rc || !seconds)
			break;
		if (!json)
			out_str("\n");
		rc = out_flush();
		if (rc)
			break;
		(void)nanosleep(&(struct timespec) { .tv_sec = (time_t)seconds }, NULL);
		conn_reopen(&maps);
		identity_refresh(&table, true);
	}
	/* A failed write is finish()'s to tell. */
	if (rc && !out_flush()) {
		warn_parts("cannot read the connection table: ", strerror(-rc), NULL);
		return EXIT_UNAVAILABLE;
	}
	return finish(EXIT_FOUND);
}

enum { OPTION_DST = 256, OPTION_SRC_PORT, OPTION_DST_PORT, OPTION_PID, OPTION_COMM };

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "protocol", required_argument, NULL, 'p' },
		{ "dst", required_argument, NULL, OPTION_DST },
		{ "src-port", required_argument, NULL, OPTION_SRC_PORT },
		{ "dst-port", required_argument, NULL, OPTION_DST_PORT },
		{ "pid", required_argument, NULL, OPTION_PID },
		{ "comm", required_argument, NULL, OPTION_COMM },
		{ "follow", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "watch", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	bool is_following = false;
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
				error = "is not a process id";
			break;
		case OPTION_COMM:
			filter.comm = optarg;
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
	return is_following ? follow(&filter, json) : list_all(seconds);
}

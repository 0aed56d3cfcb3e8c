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
	"usage: conn-list [-j] [-w SECONDS]\n"
	"\n"
	"Print every tracked connection, a line each:\n"
	"PROTOCOL DST SRC_PORT DST_PORT PID\n"
	"\n"
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

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "watch", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct conn_maps maps;
	uint64_t seconds = 0;
	bool json = false;
	int c, rc;

	set_program_name(argv[0]);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":jw:hV", options, NULL)) != -1) {
		switch (c) {
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

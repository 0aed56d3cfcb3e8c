// SPDX-License-Identifier: MIT
/*
 * fill: make an LRU hash as full as it is on a host that has been up for a while.
 *
 * Entries are never removed, so from the 65,536th connection on each new one puts
 * an old one out. To measure with an empty map would leave that work out.
 */
#include "measure.h"

#include "../../helpers/lib/bpf.c"

#include "../../bpf/port_tracker.h"

static void fill(const char *path)
{
	struct conn_key_v4 key = { .src_port = 1, .dst_port = 1, .protocol = 6 };
	conn_pid pid = 1;
	int map = bpf_open_pin(path, 0);

	if (map < 0) {
		errno = -map;
		die("cannot open", path);
	}
	/* 0.0.0.0/8: no benchmark goes there. */
	for (key.dst_ip = 0; key.dst_ip < CONN_V4_ENTRIES; key.dst_ip++) {
		union bpf_attr attr = { .map_fd = (__u32)map };
		int rc;

		attr.key = ptr(&key);
		attr.value = ptr(&pid);
		rc = sys_bpf(BPF_MAP_UPDATE_ELEM, &attr);
		if (rc) {
			errno = -rc;
			die("cannot fill", path);
		}
	}
	close(map);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("usage: fill MAP_PIN...\n", stderr);
		return 2;
	}
	for (int i = 1; i < argc; i++)
		fill(argv[i]);
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * carry-counters: copy the counters of a map into one of a newer layout.
 *
 * The sums over all CPUs and keys go to the last key of the new map. No program counts at
 * that key, so nothing that is counted meanwhile is lost.
 */
#include "lib/bpf.h"
#include "lib/counters.h"
#include "lib/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNTERS_MAX 4096 /* a per-CPU value has at most 32 kB */

static const char usage[] =
	"usage: carry-counters OLD_MAP_PIN NEW_MAP_PIN\n"
	"\n"
	"Add up the counters of OLD_MAP_PIN and put the sums at the last key of\n"
	"NEW_MAP_PIN. Both are per-CPU arrays of 64-bit counters.\n"
	"\n"
	"Exit status: 0 carried, 2 bad arguments, 3 the kernel refused.\n";

static int fail(const char *what, const char *path, int rc)
{
	warn_parts("cannot ", what, " ", path, ": ", strerror(-rc), NULL);
	return EXIT_UNAVAILABLE;
}

/*
 * Write the sums as what the first CPU has counted at the last key. A map with one key is
 * counted in by then: what it has is added, but for what is counted in the microseconds
 * between the reading and the writing.
 */
static int carry(int map, const __u64 *sum)
{
	struct bpf_map_info info;
	__u64 *values;
	__u32 key;
	int rc = bpf_map_info(map, &info);

	if (rc)
		return rc;
	if (info.value_size % 8)
		return -EINVAL;
	/* Room for more CPUs than any kernel has: it reads as many values as it needs. */
	values = calloc(8192, info.value_size);
	if (!values)
		return -ENOMEM;
	key = info.max_entries - 1;
	if (key == 0)
		rc = bpf_lookup(map, &key, values);
	for (__u32 i = 0; i < info.value_size / 8; i++)
		values[i] += sum[i];
	if (!rc)
		rc = bpf_update(map, &key, values);
	free(values);
	return rc;
}

int main(int argc, char **argv)
{
	static __u64 sum[COUNTERS_MAX];
	int from, to, rc;

	set_program_name(argv[0]);
	if (answered_help(argc, argv, usage))
		return finish(EXIT_FOUND);
	if (argc != 3)
		return misuse("needed: OLD_MAP_PIN NEW_MAP_PIN", "");

	from = bpf_open_pin(argv[1], BPF_F_RDONLY);
	if (from < 0)
		return fail("open", argv[1], from);
	to = bpf_open_pin(argv[2], 0);
	if (to < 0)
		return fail("open", argv[2], to);
	rc = sum_counters(from, sum, COUNTERS_MAX);
	if (rc)
		return fail("read", argv[1], rc);
	rc = carry(to, sum);
	if (rc)
		return fail("write", argv[2], rc);
	return EXIT_FOUND;
}

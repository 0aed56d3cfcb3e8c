// SPDX-License-Identifier: MIT
#include "metrics_programs.h"

#include "../../bpf/program_stats.h"

#include "clock.h"
#include "exposition.h"
#include "pins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define ITERATOR "links/on_read_programs"

/* There are some twenty programs, and twice as many during an upgrade. */
#define PROGRAMS_MAX 64

static struct program_runs programs[PROGRAMS_MAX];

/* Names of which the kernel keeps the first 15 bytes alone: check-tables.sh has them complete. */
static const char *const long_names[] = {
	"block_sock_create", "on_read_programs", "on_receive_reset",
	"on_v4_send_reset",  "on_v6_send_reset",
};
#define LONG_NAMES (sizeof(long_names) / sizeof(*long_names))

/* Read all programs. Returns how many bytes these are, 0 when they can't be read. */
static size_t read_all(void)
{
	size_t got = 0;
	ssize_t n;
	int fd = open_pin(ITERATOR);

	if (fd < 0)
		return 0;
	while (got < sizeof(programs)) {
		n = read(fd, (char *)programs + got, sizeof(programs) - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	close(fd);
	return got;
}

/* Add up programs of one name: during an upgrade there is an old and a new one. */
static size_t merge(size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		const struct program_runs *program = &programs[i];
		size_t at = 0;

		while (at < kept &&
		       strncmp(programs[at].name, program->name, PROGRAM_NAME_BYTES) != 0)
			at++;
		if (at == kept) {
			programs[kept++] = *program;
			continue;
		}
		programs[at].runs += program->runs;
		programs[at].run_ns += program->run_ns;
		programs[at].misses += program->misses;
	}
	return kept;
}

/* Whether the kernel keeps statistics, or has kept some since the programs were loaded. */
static bool has_statistics(size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (programs[i].runs)
			return true;
	return false;
}

/* The name that the program was loaded with. */
static const char *whole_name(const struct program_runs *program)
{
	static char name[PROGRAM_NAME_BYTES];

	memcpy(name, program->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i < LONG_NAMES; i++)
		if (strncmp(long_names[i], name, sizeof(name) - 1) == 0)
			return long_names[i];
	return name;
}

void print_programs(void)
{
	size_t count = merge(read_all() / sizeof(*programs));
	__u64 boot; /* since 1970 */

	if (!count)
		return;
	boot = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
	family(COUNTER, "connpin_program_misses", NULL,
	       "Times that the kernel skipped a tracing program because it was running on that "
	       "CPU already; since it was loaded, as the next two.");
	for (size_t i = 0; i < count; i++)
		counter_since("program", whole_name(&programs[i]), programs[i].misses, 0,
			      boot + programs[i].loaded_ns);
	if (!has_statistics(count))
		return;
	family(COUNTER, "connpin_program_runs", NULL,
	       "How often a program ran, while kernel.bpf_stats_enabled was 1.");
	for (size_t i = 0; i < count; i++)
		counter_since("program", whole_name(&programs[i]), programs[i].runs, 0,
			      boot + programs[i].loaded_ns);
	family(COUNTER, "connpin_program_run_seconds", "seconds",
	       "How long a program ran, while kernel.bpf_stats_enabled was 1.");
	for (size_t i = 0; i < count; i++)
		counter_since("program", whole_name(&programs[i]), programs[i].run_ns, 9,
			      boot + programs[i].loaded_ns);
}

// SPDX-License-Identifier: MIT
#include "metrics.h"

#include "../bpf/tcp_monitor.h"

#include "bpf.h"
#include "pins.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define MAP "tcp_metrics"
#define POSSIBLE_CPUS "/sys/devices/system/cpu/possible"
#define CPUS_MAX 8192 /* the largest NR_CPUS that Linux can be configured with */

static const struct {
	const char *name;
	const char *help;
	size_t offset; /* in struct tcp_metrics */
} counters[] = {
	{ "tcp_active_connections_total",
	  "Connections opened by this host: SYN_SENT to ESTABLISHED.",
	  offsetof(struct tcp_metrics, active_connections) },
	{ "tcp_passive_connections_total",
	  "Connections accepted by this host: SYN_RECV to ESTABLISHED.",
	  offsetof(struct tcp_metrics, passive_connections) },
	{ "tcp_failed_connections_total",
	  "Connection attempts that ended before they were established: SYN_SENT to CLOSE.",
	  offsetof(struct tcp_metrics, failed_connections) },
	{ "tcp_resets_sent_total", "RST segments sent.",
	  offsetof(struct tcp_metrics, resets_sent) },
	{ "tcp_resets_received_total",
	  "RST segments received that ended a connection or an attempt; not those for a half-open "
	  "request, a TIME_WAIT socket or a closed port. Without fentry also connections that "
	  "ended "
	  "because data came after the close.",
	  offsetof(struct tcp_metrics, resets_received) },
};

#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

/*
 * How many CPUs TEXT names: "0-3,8" is 5. The kernel's cpulist format; 0 when it
 * is something else.
 */
static unsigned count_cpus(const char *text)
{
	unsigned total = 0;

	while (*text >= '0' && *text <= '9') {
		unsigned first = 0, last;

		while (*text >= '0' && *text <= '9' && first <= CPUS_MAX)
			first = first * 10 + (unsigned)(*text++ - '0');
		last = first;
		if (*text == '-') {
			last = 0;
			text++;
			while (*text >= '0' && *text <= '9' && last <= CPUS_MAX)
				last = last * 10 + (unsigned)(*text++ - '0');
		}
		if (last < first || last > CPUS_MAX)
			return 0;
		total += last - first + 1;
		if (*text == ',')
			text++;
	}
	return (*text == '\n' || *text == '\0') ? total : 0;
}

/* A number from 1 to CPUS_MAX, or -errno. */
static int possible_cpus(void)
{
	char text[4096];
	ssize_t n;
	int fd = open(POSSIBLE_CPUS, O_RDONLY | O_CLOEXEC);
	unsigned cpus;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	cpus = count_cpus(text);
	return cpus > 0 && cpus <= CPUS_MAX ? (int)cpus : -EINVAL;
}

static int fail(const char *what, int rc)
{
	warn_parts("cannot read ", what, ": ", strerror(-rc), NULL);
	return EXIT_UNAVAILABLE;
}

static void print_counter(size_t i, const struct tcp_metrics *per_cpu, int cpus)
{
	uint64_t sum = 0;

	for (int cpu = 0; cpu < cpus; cpu++)
		sum += *(const __u64 *)((const char *)&per_cpu[cpu] + counters[i].offset);
	out_str("# HELP ");
	out_str(counters[i].name);
	out_str(" ");
	out_str(counters[i].help);
	out_str("\n# TYPE ");
	out_str(counters[i].name);
	out_str(" counter\n");
	out_str(counters[i].name);
	out_str(" ");
	out_u64(sum);
	out_str("\n");
}

int print_metrics(const char *head)
{
	/* Untouched pages of it cost nothing. */
	static struct tcp_metrics per_cpu[CPUS_MAX];
	__u32 key = 0;
	int map, cpus, rc;

	map = open_map_or_warn(MAP);
	if (map < 0)
		return EXIT_UNAVAILABLE;
	cpus = possible_cpus();
	if (cpus < 0)
		return fail(POSSIBLE_CPUS, cpus);
	rc = bpf_lookup(map, &key, per_cpu);
	if (rc)
		return fail("the map " MAP, rc);
	out_str(head);
	for (size_t i = 0; i < COUNTERS; i++)
		print_counter(i, per_cpu, cpus);
	return EXIT_FOUND;
}

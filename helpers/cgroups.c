// SPDX-License-Identifier: MIT
#include "cgroups.h"

#include "../bpf/tcp_monitor.h"

#include "bpf.h"
#include "counters.h"
#include "exposition.h"
#include "pins.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define COUNTERS (sizeof(struct tcp_cgroup_metrics) / sizeof(__u64))

/* Untouched pages of these cost nothing. */
static struct tcp_cgroups cgroups;
static struct tcp_cgroup_metrics metrics;
static bool is_read;

static bool has_name(const struct tcp_cgroup *cgroup)
{
	return (cgroup->state == TCP_CGROUP_USED || cgroup->state == TCP_CGROUP_LEAVING) &&
	       cgroup->path[0] == '/';
}

/* A path that was cut could be another's, too: the id tells them apart. */
static const char *name_of(const struct tcp_cgroup *cgroup)
{
	static char name[TCP_CGROUP_PATH + 32];
	size_t used = strnlen(cgroup->path, sizeof(cgroup->path));
	char digits[20], *p = digits + sizeof(digits);
	__u64 id = cgroup->id;

	memcpy(name, cgroup->path, used);
	name[used] = '\0';
	if (!cgroup->truncated)
		return name;
	do {
		*--p = (char)('0' + id % 10);
		id /= 10;
	} while (id > 0);
	strcpy(name + used, "...#");
	used += strlen("...#");
	memcpy(name + used, p, (size_t)(digits + sizeof(digits) - p));
	name[used + (size_t)(digits + sizeof(digits) - p)] = '\0';
	return name;
}

static void cgroup_counter(const char *name, const char *unit, const char *help, size_t offset)
{
	family(COUNTER, name, unit, help);
	for (size_t place = 1; place <= TCP_CGROUPS_MAX; place++)
		if (has_name(&cgroups.places[place]))
			counter("cgroup", name_of(&cgroups.places[place]),
				*(const __u64 *)((const char *)&metrics.places[place] + offset));
	counter("cgroup", "other", *(const __u64 *)((const char *)&metrics.places[0] + offset));
}

int read_cgroups(void)
{
	__u32 key = 0;
	int names = open_map("tcp_cgroups", BPF_F_RDONLY);
	int counts = open_map("tcp_cgroup_metrics", BPF_F_RDONLY);
	int rc;

	if (names == -ENOENT || counts == -ENOENT)
		return 0;
	if (names < 0 || counts < 0)
		return names < 0 ? names : counts;
	/* The names first: a place that is taken in between has no name yet, and no line. */
	rc = bpf_lookup(names, &key, &cgroups);
	if (!rc)
		rc = sum_counters(counts, (__u64 *)&metrics, COUNTERS);
	close(names);
	close(counts);
	is_read = !rc;
	return rc;
}

void print_cgroups(void)
{
	if (!is_read)
		return;
	cgroup_counter("tcp_cgroup_active_connections", NULL,
		       "Connections opened, by the cgroup of the socket; other: those without a "
		       "line of their own, and those removed some time ago (CGROUP_LINGER).",
		       offsetof(struct tcp_cgroup_counters, active));
	cgroup_counter("tcp_cgroup_passive_connections", NULL,
		       "Connections accepted, by the cgroup of the listening socket.",
		       offsetof(struct tcp_cgroup_counters, passive));
	cgroup_counter("tcp_cgroup_failed_connections", NULL,
		       "Failed connections, by the cgroup of the socket.",
		       offsetof(struct tcp_cgroup_counters, failed));
	cgroup_counter("tcp_cgroup_sent_bytes", "bytes",
		       "Payload sent, by the cgroup of the socket.",
		       offsetof(struct tcp_cgroup_counters, sent));
	cgroup_counter("tcp_cgroup_received_bytes", "bytes",
		       "Payload received, by the cgroup of the socket.",
		       offsetof(struct tcp_cgroup_counters, received));
}

// SPDX-License-Identifier: MIT
#include "metrics_by_cgroup.h"

#include "../../bpf/tcp_monitor.h"

#include "bpf.h"
#include "counters.h"
#include "exposition.h"
#include "pins.h"
#include "number.h"
#include "text.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
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

static bool is_utf8(const char *s, size_t left)
{
	while (left > 0) {
		size_t step = utf8_length(s, left);

		if (!step)
			return false;
		s += step;
		left -= step;
	}
	return true;
}

static size_t path_length(const struct tcp_cgroup *cgroup)
{
	return strnlen(cgroup->path, sizeof(cgroup->path));
}

/*
 * What is printed of a path that was cut, or is no text, could be another's, too. One
 * without an end is of an older layout, which had room for a longer one.
 */
static bool needs_id(const struct tcp_cgroup *cgroup)
{
	return cgroup->truncated || path_length(cgroup) == sizeof(cgroup->path) ||
	       !is_utf8(cgroup->path, path_length(cgroup));
}

/* The path; where that does not tell which one it is, with the id. */
static const char *name_of(const struct tcp_cgroup *cgroup)
{
	static char name[TCP_CGROUP_PATH + 32];
	size_t used = path_length(cgroup);

	memcpy(name, cgroup->path, used);
	name[used] = '\0';
	if (needs_id(cgroup)) {
		strcpy(name + used, "...#");
		format_u64(name + used + strlen("...#"), cgroup->id);
	}
	return name;
}

static void add_place(size_t to, size_t from)
{
	__u64 *sum = (__u64 *)&metrics.places[to];
	const __u64 *n = (const __u64 *)&metrics.places[from];

	for (size_t i = 0; i < sizeof(*metrics.places) / sizeof(*n); i++)
		sum[i] += n[i];
	cgroups.places[from].state = TCP_CGROUP_FREE;
}

#define SLOTS 1024 /* a power of 2, twice the places and more */

/*
 * A name has one line. A cgroup that was removed and made again, as that of a service that
 * was started again, has two places for a while. One that leaves has no id any more.
 */
static void merge_namesakes(void)
{
	static uint16_t first[SLOTS]; /* place with the hash; 0 none */

	for (uint16_t place = 1; place <= TCP_CGROUPS_MAX; place++) {
		const struct tcp_cgroup *cgroup = &cgroups.places[place];
		unsigned slot = (cgroup->path_hash >> 1) & (SLOTS - 1);

		if (!has_name(cgroup))
			continue;
		if (needs_id(cgroup)) {
			if (!cgroup->id)
				add_place(0, place);
			continue;
		}
		while (first[slot] && strcmp(cgroups.places[first[slot]].path, cgroup->path) != 0)
			slot = (slot + 1) & (SLOTS - 1);
		if (first[slot])
			add_place(first[slot], place);
		else
			first[slot] = place;
	}
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

#define PAGE 4096
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* include/uapi/asm-generic/mman-common.h, since 5.14 */
#endif

/* All of it will be written: a fault for each page takes longer. Where it can't, it does. */
static void populate(void *bytes, size_t size)
{
	uintptr_t start = (uintptr_t)bytes & ~(uintptr_t)(PAGE - 1);

	(void)madvise((void *)start, (uintptr_t)bytes + size - start, MADV_POPULATE_WRITE);
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
	populate(&cgroups, sizeof(cgroups));
	populate(&metrics, sizeof(metrics));
	/* The names first: a place that is taken in between has no name yet, and no line. */
	rc = bpf_lookup(names, &key, &cgroups);
	if (!rc)
		rc = sum_counters(counts, (__u64 *)&metrics, COUNTERS);
	close(names);
	close(counts);
	is_read = !rc;
	if (is_read)
		merge_namesakes();
	return rc;
}

void print_cgroups(void)
{
	if (!is_read)
		return;
	cgroup_counter("tcp_cgroup_active_connections", NULL,
		       "Connections opened, by the cgroup of the socket; other: those without a "
		       "line of their own, for want of room or in a delegated subtree that has "
		       "its share, and those removed some time ago (CGROUP_LINGER).",
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

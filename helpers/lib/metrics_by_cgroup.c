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

/* Copies of the maps. Pages of them that stay untouched cost nothing. */
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
 * Whether the path alone does not tell which cgroup it is: it was cut, or it is not UTF-8, so
 * that another one could be printed the same. A path without a NUL is of an older layout,
 * which had room for a longer one.
 */
static bool needs_id(const struct tcp_cgroup *cgroup)
{
	return cgroup->truncated || path_length(cgroup) == sizeof(cgroup->path) ||
	       !is_utf8(cgroup->path, path_length(cgroup));
}

/* The path, with the id behind it where the path alone does not tell which cgroup it is. */
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

/* Add the counters of slot FROM to those of slot TO, and leave FROM out of what is printed. */
static void add_slot(size_t to, size_t from)
{
	__u64 *sum = (__u64 *)&metrics.places[to];
	const __u64 *n = (const __u64 *)&metrics.places[from];

	for (size_t i = 0; i < sizeof(*metrics.places) / sizeof(*n); i++)
		sum[i] += n[i];
	cgroups.places[from].state = TCP_CGROUP_FREE;
}

#define HASH_SIZE 1024 /* a power of 2, more than twice TCP_CGROUPS_MAX */

/*
 * Merge the slots that have the same name, so that each name has one line: a cgroup that was
 * removed and made again, as that of a service that was restarted, has two slots for a while.
 * A cgroup that is leaving has no id any more; when its name needs one, it is added to slot
 * 0, "other".
 */
static void merge_namesakes(void)
{
	static uint16_t first[HASH_SIZE]; /* the first slot with a path of that hash; 0: none */

	for (uint16_t slot = 1; slot <= TCP_CGROUPS_MAX; slot++) {
		const struct tcp_cgroup *cgroup = &cgroups.places[slot];
		unsigned hash = (cgroup->path_hash >> 1) & (HASH_SIZE - 1);

		if (!has_name(cgroup))
			continue;
		if (needs_id(cgroup)) {
			if (!cgroup->id)
				add_slot(0, slot);
			continue;
		}
		while (first[hash] && strcmp(cgroups.places[first[hash]].path, cgroup->path) != 0)
			hash = (hash + 1) & (HASH_SIZE - 1);
		if (first[hash])
			add_slot(first[hash], slot);
		else
			first[hash] = slot;
	}
}

static void cgroup_counter(const char *name, const char *unit, const char *help, size_t offset)
{
	family(COUNTER, name, unit, help);
	for (size_t slot = 1; slot <= TCP_CGROUPS_MAX; slot++)
		if (has_name(&cgroups.places[slot]))
			counter("cgroup", name_of(&cgroups.places[slot]),
				*(const __u64 *)((const char *)&metrics.places[slot] + offset));
	counter("cgroup", "other", *(const __u64 *)((const char *)&metrics.places[0] + offset));
}

#define PAGE 4096
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* include/uapi/asm-generic/mman-common.h, since 5.14 */
#endif

/*
 * Have the kernel allocate all pages of a buffer that will be written, which takes less time
 * than a fault for each page. A kernel that can't leaves it to the faults.
 */
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
	/* The names come first: a slot that is taken in between has no name here, and no line. */
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

// SPDX-License-Identifier: MIT
#include "metrics_self.h"

#include "../../bpf/identity.h"
#include "../../bpf/other_sockets.h"
#include "../../bpf/port_tracker.h"
#include "../../bpf/process.h"

#include "bpf.h"
#include "clock.h"
#include "counters.h"
#include "exposition.h"
#include "feature_file.h"
#include "other_sockets.h"
#include "pins.h"
#include "metrics_programs.h"
#include "text.h"

#include <errno.h>
#include <linux/bpf.h>
#include <unistd.h>

static void print_build(void)
{
	__u64 attached = pinned_at_ns("port_tracker");

	family(INFO, "connpin_build", NULL, "The version of the connpin that answers.");
	sample("_info");
	label("version", VERSION);
	value(1);
	if (!attached)
		return;
	family(GAUGE, "connpin_attach_timestamp_seconds", "seconds",
	       "When the programs that count were attached, in seconds since 1970.");
	sample("");
	value_scaled(attached, 9);
}

static void capacity(const char *map, __u64 entries)
{
	sample("");
	label("map", map);
	value(entries);
}

/*
 * The capacity of a map of which an entry holds EACH, except the first FEW, which hold none.
 * Whether there is such a map.
 */
static bool map_capacity(const char *map, unsigned each, unsigned few)
{
	struct bpf_map_info info;
	int fd = open_map(map, BPF_F_RDONLY);

	if (fd < 0)
		return false;
	if (bpf_map_info(fd, &info))
		info.max_entries = 0;
	close(fd);
	if (info.max_entries <= few)
		return false;
	capacity(map, (info.max_entries - few) * each);
	return true;
}

static bool has_inbound; /* accepted connections are recorded */

static void print_capacities(const struct tcp_live *live)
{
	family(GAUGE, "connpin_map_capacity", NULL,
	       "How many entries a map has room for: connections, processes, sockets, cgroups "
	       "with metrics of their own.");
	map_capacity("conn_to_pid_v4", 1, 0);
	map_capacity("conn_to_pid_v6", 1, 0);
	map_capacity("conn_identity", IDENTITY_WAYS, 1);
	has_inbound = map_capacity("conn_identity_in", IDENTITY_WAYS, 1);
	map_capacity("conn_process", PROCESS_WAYS, 0);
	map_capacity("other_sockets", OTHER_WAYS, 0);
	if (live) {
		capacity("tcp_sockets", live->sockets_capacity);
		capacity("tcp_cgroups", live->cgroup_series);
	}
}

static void recorded(const char *protocol, const char *ip_family, __u64 n)
{
	const char *names[] = { "protocol", "family" };
	const char *values[] = { protocol, ip_family };

	counter_labels(names, values, 2, n);
}

static void dropped(const char *map, const char *cause, __u64 n)
{
	const char *names[] = { "map", "cause" };
	const char *values[] = { map, cause };

	counter_labels(names, values, 2, n);
}

static struct tracker_metrics tracker;
static struct other_counts others;
static bool has_others;

/* Add up a map of counters. -ENOENT when there is none. */
static int read_counts(const char *name, __u64 *counts, size_t bytes)
{
	int map = open_map(name, BPF_F_RDONLY), rc;

	if (map < 0)
		return map;
	rc = sum_counters(map, counts, bytes / sizeof(*counts));
	close(map);
	return rc;
}

int read_tracker(void)
{
	int rc = read_counts("other_socket_counts", (__u64 *)&others, sizeof(others));

	has_others = !rc;
	if (!rc || rc == -ENOENT)
		rc = read_counts("tracker_metrics", (__u64 *)&tracker, sizeof(tracker));
	return rc == -ENOENT ? 0 : rc;
}

/* Of each kind by what counts it; AF_SMC and IPPROTO_SMC are of both. */
static void print_others(void)
{
	bool is_known[] = { !feature_is_off("other_ip"), !feature_is_off("other_families") };

	if (!has_others || (!is_known[0] && !is_known[1]))
		return;
	family(COUNTER, "connpin_other_sockets_made", NULL,
	       "Sockets made that are neither TCP nor UDP, by kind.");
	for (int kind = 0; kind < OTHER_KINDS; kind++) {
		bool is_ip = kind < OTHER_PACKET, is_both = kind == OTHER_SMC || kind == OTHER_REST;

		if (is_known[!is_ip] && (!is_both || is_known[0]))
			counter("kind", other_kinds[kind], others.created[kind]);
	}
	family(COUNTER, "connpin_other_sockets_evicted", NULL,
	       "Records of such sockets that made room for another one's.");
	counter(NULL, NULL, others.evicted);
}

static void print_tracker(__u64 sockets_full)
{
	family(COUNTER, "connpin_recorded", NULL,
	       "Entries written to the connection table: a new connection, or another owner.");
	recorded("tcp", "ipv4", tracker.recorded_tcp_v4);
	recorded("tcp", "ipv6", tracker.recorded_tcp_v6);
	recorded("udp", "ipv4", tracker.recorded_udp_v4);
	recorded("udp", "ipv6", tracker.recorded_udp_v6);
	family(COUNTER, "connpin_dropped", NULL,
	       "What a map did not take: an update that the kernel refused; an identity whose "
	       "record another CPU was writing; a socket when tcp_sockets was full, whose "
	       "duration is not counted.");
	dropped("conn_to_pid_v4", "update", tracker.dropped_v4);
	dropped("conn_to_pid_v6", "update", tracker.dropped_v6);
	dropped("conn_identity", "busy", tracker.dropped_identity);
	if (has_inbound)
		dropped("conn_identity_in", "busy", tracker.dropped_in);
	dropped("tcp_sockets", "full", sockets_full);
	if (has_others)
		dropped("other_sockets", "busy", others.dropped);
	family(COUNTER, "connpin_ipv6_refused", NULL,
	       "Calls that the IPv6 block refused: connects, datagrams, and sockets whose "
	       "traffic it could not look at.");
	counter(NULL, NULL, tracker.refused_v6);
	family(COUNTER, "connpin_identity_evictions", NULL,
	       "Records of the identity table that made room for another connection's.");
	counter("protocol", "tcp", tracker.evicted_tcp);
	counter("protocol", "udp", tracker.evicted_udp);
	if (!has_inbound)
		return;
	family(COUNTER, "connpin_inbound_evictions", NULL,
	       "Records of accepted connections that made room for another one's.");
	counter(NULL, NULL, tracker.evicted_in);
}

static void print_feature(const char *name, const char *state, const char *hook, const char *reason)
{
	sample("_info");
	label("feature", name);
	label("hook", hook);
	label("state", state);
	if (*reason)
		label("reason", reason);
	value(1);
}

static void print_features(void)
{
	if (!features_are_known())
		return;
	family(INFO, "connpin_feature", NULL,
	       "What is attached, by which hook; state is on, degraded or off, and the reason for "
	       "which it is not on.");
	each_feature(print_feature);
}

void print_about(const struct tcp_live *live, __u64 sockets_full, __u64 started_ns)
{
	print_build();
	print_capacities(live);
	print_tracker(sockets_full);
	print_others();
	print_features();
	print_programs();
	family(GAUGE, "connpin_scrape_duration_seconds", "seconds",
	       "How long it took to put this together.");
	sample("");
	value_scaled(clock_ns(CLOCK_MONOTONIC) - started_ns, 9);
}

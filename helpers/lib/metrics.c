// SPDX-License-Identifier: MIT
#include "metrics.h"

#include "../../bpf/tcp_monitor.h"

#include "metrics_self.h"
#include "metrics_by_cgroup.h"
#include "clock.h"
#include "counters.h"
#include "exposition.h"
#include "feature_file.h"
#include "pins.h"
#include "metrics_live.h"
#include "text.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#define MAP "tcp_metrics"
#define COUNTERS(type) (sizeof(type) / sizeof(__u64))

/* The label values, in the order of the enums in tcp_monitor.h. */
static const char *const families[] = { "ipv4", "ipv6" };
static const char *const directions[] = { "active", "passive", "unknown" };
static const char *const reasons[] = { "refused", "timeout", "unreachable",
				       "aborted", "local",   "other" };

_Static_assert(sizeof(families) / sizeof(*families) == TCP_FAMILIES, "a word each");
_Static_assert(sizeof(directions) / sizeof(*directions) == TCP_DIRECTIONS, "a word each");
_Static_assert(sizeof(reasons) / sizeof(*reasons) == TCP_REASONS, "a word each");

#define BOUND_TEXT(value, text) text,
static const char *const connect_bounds[] = { TCP_CONNECT_BOUNDS_NS(BOUND_TEXT) };
static const char *const lifetime_bounds[] = { TCP_LIFETIME_BOUNDS_NS(BOUND_TEXT) };
static const char *const round_trip_bounds[] = { TCP_ROUND_TRIP_BOUNDS_8TH_US(BOUND_TEXT) };

static __u64 sum(const __u64 *values, size_t count)
{
	__u64 total = 0;

	for (size_t i = 0; i < count; i++)
		total += values[i];
	return total;
}

static void plain_counter(const char *name, const char *help, __u64 n)
{
	family(COUNTER, name, NULL, help);
	counter(NULL, NULL, n);
}

static void split_counter(const char *name, const char *help, const char *label_name,
			  const char *const *label_values, const __u64 *n, size_t count)
{
	family(COUNTER, name, NULL, help);
	for (size_t i = 0; i < count; i++)
		counter(label_name, label_values[i], n[i]);
}

/* Failures that an older connpin counted have no reason: they are added to "other". */
static void print_connections(const struct tcp_metrics *m)
{
	__u64 by_reason[TCP_REASONS] = { 0 }, by_family[TCP_FAMILIES] = { 0 };

	for (size_t f = 0; f < TCP_FAMILIES; f++) {
		for (size_t r = 0; r < TCP_REASONS; r++) {
			by_reason[r] += m->failed[f][r];
			by_family[f] += m->failed[f][r];
		}
	}
	by_reason[TCP_OTHER] += m->failed_connections;

	plain_counter("tcp_active_connections",
		      "Connections opened by this host: SYN_SENT to ESTABLISHED.",
		      m->active_connections + sum(m->active, TCP_FAMILIES));
	plain_counter("tcp_passive_connections",
		      "Connections accepted by this host: SYN_RECV to ESTABLISHED.",
		      m->passive_connections + sum(m->passive, TCP_FAMILIES));
	plain_counter("tcp_failed_connections",
		      "Connection attempts that ended before they were established: SYN_SENT to "
		      "CLOSE.",
		      sum(by_reason, TCP_REASONS));
	split_counter("tcp_connection_failures",
		      "Failed connections by reason: refused (a RST came), timeout (nothing came), "
		      "unreachable (ICMP, or no route any more), aborted (closed by this host), "
		      "local (no SYN was sent), other.",
		      "reason", reasons, by_reason, TCP_REASONS);
	split_counter("tcp_family_active_connections",
		      "Connections opened by this host; IPv4-mapped addresses are ipv4.", "family",
		      families, m->active, TCP_FAMILIES);
	split_counter("tcp_family_passive_connections", "Connections accepted by this host.",
		      "family", families, m->passive, TCP_FAMILIES);
	split_counter("tcp_family_failed_connections", "Failed connections.", "family", families,
		      by_family, TCP_FAMILIES);
}

static void print_resets(const struct tcp_metrics *m)
{
	if (!feature_is_off("resets_sent"))
		plain_counter("tcp_resets_sent", "RST segments sent.", m->resets_sent);
	if (feature_is_off("resets_received"))
		return;
	plain_counter("tcp_resets_received",
		      "RST segments received that ended a connection or an attempt; not those for "
		      "a half-open request, a TIME_WAIT socket or a closed port. Without fentry "
		      "also connections that ended because data came after the close.",
		      m->resets_received);
}

/* Print a family without labels, then one that tells by who opened the connection. */
static void traffic_counter(const char *name, const char *direction_name, const char *unit,
			    const char *help, const char *direction_help, const __u64 *n)
{
	family(COUNTER, name, unit, help);
	counter(NULL, NULL, sum(n, TCP_DIRECTIONS));
	family(COUNTER, direction_name, unit, direction_help);
	for (size_t i = 0; i < TCP_DIRECTIONS; i++)
		counter("direction", directions[i], n[i]);
}

static void print_traffic(const struct tcp_metrics *m)
{
	__u64 sent[TCP_DIRECTIONS], received[TCP_DIRECTIONS], retransmitted[TCP_DIRECTIONS];

	for (size_t i = 0; i < TCP_DIRECTIONS; i++) {
		sent[i] = m->traffic[i].sent;
		received[i] = m->traffic[i].received;
		retransmitted[i] = m->traffic[i].retransmitted;
	}
	traffic_counter("tcp_sent_bytes", "tcp_direction_sent_bytes", "bytes",
			"Payload sent, each byte once however often it is retransmitted. "
			"Added at each scrape, and when a connection closes.",
			"Payload sent, by who opened the connection; unknown: older than the "
			"attachment.",
			sent);
	traffic_counter("tcp_received_bytes", "tcp_direction_received_bytes", "bytes",
			"Payload received in order. Added at each scrape, up to the last byte, and "
			"when a connection closes.",
			"Payload received, by who opened the connection.", received);
	traffic_counter(
		"tcp_retransmitted_segments", "tcp_direction_retransmitted_segments", NULL,
		"Segments sent again, SYN and SYN-ACK among them. Added at each scrape, and "
		"when a connection closes or an attempt fails.",
		"Segments sent again, by who opened the connection.", retransmitted);
}

static void print_interference(const struct tcp_metrics *m)
{
	family(COUNTER, "connpin_sock_ops_interference", NULL,
	       "State changes that another sock_ops program of the host hid from ours, and that "
	       "were "
	       "counted all the same: reply (it overwrote the field that holds the old state), "
	       "flags "
	       "(it cleared those of a socket, so that its changes are not reported any more).");
	counter("by", "reply", m->reply_written);
	counter("by", "flags", m->flags_cleared);
}

static void print_times(const struct tcp_metrics *m)
{
	family(HISTOGRAM, "tcp_connect_duration_seconds", "seconds",
	       "How long connecting took: SYN_SENT to ESTABLISHED.");
	histogram(m->connect, connect_bounds, TCP_CONNECT_BUCKETS, m->connect_ns, 9);
	family(HISTOGRAM, "tcp_connection_duration_seconds", "seconds",
	       "How long connections lasted that have closed: ESTABLISHED to CLOSE. Not those "
	       "older than the attachment.");
	histogram(m->lifetime, lifetime_bounds, TCP_LIFETIME_BUCKETS, m->lifetime_us, 6);
	family(HISTOGRAM, "tcp_round_trip_seconds", "seconds",
	       "The kernel's smoothed round-trip time of each connection when it closed.");
	/* An eighth of a microsecond is 125 ns. */
	histogram(m->round_trip, round_trip_bounds, TCP_ROUND_TRIP_BUCKETS,
		  m->round_trip_8th_us * 125, 9);
}

static int fail(const char *what, int rc)
{
	warn_parts("cannot read ", what, ": ", strerror(-rc), NULL);
	return EXIT_UNAVAILABLE;
}

/* Whether nothing counts state changes: then their metrics are left out, as 0 would be wrong. */
static bool are_states_off(void)
{
	return feature_is_off("tcp_states") && feature_is_off("tcp_events");
}

/* As much as a pipe holds, because each write wakes up the reader. */
#define OUTPUT_BYTES 65536

int print_metrics(const char *head, bool openmetrics)
{
	static char output[OUTPUT_BYTES];

	__u64 started = clock_ns(CLOCK_MONOTONIC);
	struct tcp_metrics m;
	struct tcp_live live;
	int map, rc, known;
	bool by_cgroup;

	/* When the kernel refused all programs that count TCP, there is no such map. */
	map = are_states_off() ? open_map(MAP, BPF_F_RDONLY) : open_map_or_warn(MAP);
	if (map < 0 && !(map == -ENOENT && are_states_off()))
		return EXIT_UNAVAILABLE;
	/* Reading the sockets comes first, because it brings the counters up to this moment. */
	known = read_sockets(&live);
	if (known && known != -ENOENT)
		return fail("the live sockets", known);
	memset(&m, 0, sizeof(m));
	rc = map < 0 ? 0 : sum_counters(map, (__u64 *)&m, COUNTERS(m));
	if (rc)
		return fail("the map " MAP, rc);
	if (openmetrics)
		use_openmetrics(pinned_at_ns("maps/" MAP));
	/* Reading the sockets also frees the slots of cgroups that are gone. */
	by_cgroup = !known && live.cgroup_series && !feature_is_off("by_cgroup");
	rc = by_cgroup ? read_cgroups() : 0;
	if (rc)
		return fail("the maps of the cgroups", rc);
	rc = read_tracker();
	if (rc)
		return fail("the map tracker_metrics", rc);
	out_set_buffer(output, sizeof(output));
	out_str(head);
	if (!are_states_off())
		print_connections(&m);
	if (!known)
		print_sockets(&live);
	print_resets(&m);
	if (!feature_is_off("tcp_details")) {
		print_traffic(&m);
		print_times(&m);
	}
	if (by_cgroup)
		print_cgroups();
	print_interference(&m);
	print_about(known ? NULL : &live, m.sockets_full, started);
	end_of_metrics();
	return EXIT_FOUND;
}

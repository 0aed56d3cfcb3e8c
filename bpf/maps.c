// SPDX-License-Identifier: MIT
/*
 * maps: run at build time, prints what attach.sh has to know of each map, taken
 * from the headers that both sides include:
 *
 *   NAME TYPE KEY_BYTES VALUE_BYTES ENTRIES FLAGS OBJECT[,OBJECT...]
 *
 * TYPE is bpftool's word, FLAGS are BPF_F_* of <linux/bpf.h> as a number. attach.sh creates the
 * maps with these, so that a capacity can be a setting and a new build can take over the old
 * contents.
 */
#include "identity.h"
#include "ipv6_blocker.h"
#include "port_tracker.h"
#include "tcp_monitor.h"

#include <linux/bpf.h>
#include <stdio.h>

/* Who keeps the sockets of now and counts what becomes of them. */
#define TCP_OBJECTS "tcp_monitor,tcp_monitor_tp,tcp_events,tcp_live"

static void map(const char *name, const char *type, size_t key, size_t value, unsigned entries,
		unsigned flags, const char *objects)
{
	printf("%s %s %zu %zu %u %u %s\n", name, type, key, value, entries, flags, objects);
}

int main(void)
{
	map("conn_to_pid_v4", "lru_hash", sizeof(struct conn_key_v4), sizeof(conn_pid),
	    CONN_V4_ENTRIES, 0, "port_tracker,udp_connect,udp_connect_split,udp_connect_tp");
	map("conn_to_pid_v6", "lru_hash", sizeof(struct conn_key_v6), sizeof(conn_pid),
	    CONN_V6_ENTRIES, 0, "port_tracker,udp_connect,udp_connect_split,udp_connect_tp");
	map("conn_identity", "array", sizeof(__u32), sizeof(struct identity_bucket),
	    IDENTITY_ENTRIES, BPF_F_MMAPABLE,
	    "port_tracker,udp_connect,udp_connect_split,udp_connect_tp");
	map("tracker_metrics", "percpu_array", sizeof(__u32), sizeof(struct tracker_metrics),
	    TRACKER_METRICS_ENTRIES, 0,
	    "port_tracker,udp_connect,udp_connect_split,udp_connect_tp,ipv6_blocker,tcp_live");
	map("config", "array", sizeof(__u32), sizeof(__u8), CONFIG_ENTRIES, 0, "ipv6_blocker");
	map("tcp_metrics", "percpu_array", sizeof(__u32), sizeof(struct tcp_metrics),
	    TCP_METRICS_ENTRIES, 0, TCP_OBJECTS ",tcp_monitor_reset");
	map("tcp_sockets", "array", sizeof(__u32), sizeof(struct tcp_socket_group),
	    TCP_SOCKETS / TCP_SOCKETS_GROUP, 0, TCP_OBJECTS);
	map("tcp_cgroups", "array", sizeof(__u32), sizeof(struct tcp_cgroups), TCP_CGROUPS_ENTRIES,
	    0, TCP_OBJECTS);
	map("tcp_cgroup_metrics", "percpu_array", sizeof(__u32), sizeof(struct tcp_cgroup_metrics),
	    TCP_CGROUPS_ENTRIES, 0, TCP_OBJECTS);
	map("tcp_cgroup_index", "hash", sizeof(__u64), sizeof(struct tcp_cgroup_place),
	    TCP_CGROUPS_MAX, 0, TCP_OBJECTS);
	map("tcp_settings", "array", sizeof(__u32), sizeof(struct tcp_settings),
	    TCP_SETTINGS_ENTRIES, 0, TCP_OBJECTS);
	map("tcp_path_room", "percpu_array", sizeof(__u32), sizeof(struct tcp_path_room),
	    TCP_PATH_ROOM_ENTRIES, 0, TCP_OBJECTS);
	map("tcp_readers", "array", sizeof(__u32), sizeof(__u64), TCP_READERS_ENTRIES, 0,
	    "tcp_live");
	return 0;
}

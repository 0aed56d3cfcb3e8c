// SPDX-License-Identifier: MIT
/*
 * maps: run at build time, prints what attach.sh has to know of each map, taken
 * from the headers that both sides include:
 *
 *   NAME TYPE KEY_BYTES VALUE_BYTES ENTRIES OBJECT[,OBJECT...]
 *
 * TYPE is bpftool's word. attach.sh creates the maps with these, so that a
 * capacity can be a setting and a new build can take over the old contents.
 */
#include "ipv6_blocker.h"
#include "port_tracker.h"
#include "tcp_monitor.h"

#include <stdio.h>

int main(void)
{
	printf("conn_to_pid_v4 lru_hash %zu %zu %d port_tracker,udp_connect\n",
	       sizeof(struct conn_key_v4), sizeof(conn_pid), CONN_V4_ENTRIES);
	printf("conn_to_pid_v6 lru_hash %zu %zu %d port_tracker,udp_connect\n",
	       sizeof(struct conn_key_v6), sizeof(conn_pid), CONN_V6_ENTRIES);
	printf("config array %zu %zu %d ipv6_blocker\n", sizeof(__u32), sizeof(__u8),
	       CONFIG_ENTRIES);
	printf("tcp_metrics percpu_array %zu %zu %d tcp_monitor,tcp_monitor_tp,tcp_monitor_reset\n",
	       sizeof(__u32), sizeof(struct tcp_metrics), TCP_METRICS_ENTRIES);
	return 0;
}

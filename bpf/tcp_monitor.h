/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The TCP counters: layouts of the maps `tcp_metrics` and `tcp_sockets`.
 *
 * tcp_metrics is a per-CPU array: a reader gets one struct tcp_metrics for each possible
 * CPU and adds them up, over both keys. The programs count in one entry. The other has what
 * older layouts counted; attach.sh puts it there before it pins the map. The counters start
 * with the first attachment and wrap at 2^64. Host byte order.
 *
 * Members are only ever appended: in a shorter struct, each member has the same offset.
 */
#ifndef CONNPIN_TCP_MONITOR_H
#define CONNPIN_TCP_MONITOR_H

#include <linux/types.h>

#define TCP_METRICS_ENTRIES 2
#define TCP_METRICS_LIVE 0    /* key: what the programs count */
#define TCP_METRICS_CARRIED 1 /* key: carried over from a map of an older layout */

/* Why an attempt failed. */
enum {
	TCP_REFUSED,	 /* a RST answered the SYN */
	TCP_TIMEOUT,	 /* nothing answered */
	TCP_UNREACHABLE, /* by ICMP, or because the route is gone */
	TCP_ABORTED,	 /* this host gave up, after a SYN */
	TCP_LOCAL,	 /* this host gave up, before a SYN */
	TCP_OTHER,	 /* any other error */
	TCP_REASONS,
};

/* IPv4-mapped addresses are IPv4. */
enum { TCP_IPV4, TCP_IPV6, TCP_FAMILIES };

/*
 * Which side opened a connection. Unknown: it is older than the attachment, or
 * `tcp_sockets` was full.
 */
enum { TCP_ACTIVE, TCP_PASSIVE, TCP_UNKNOWN, TCP_DIRECTIONS };

/*
 * Upper bounds of the buckets, inclusive: X(value, "seconds"). The value is in the unit in
 * which the kernel counts, the text as OpenMetrics wants it.
 */
#define TCP_CONNECT_BOUNDS_NS(X) \
	X(100000ull, "0.0001")   \
	X(250000ull, "0.00025")  \
	X(500000ull, "0.0005")   \
	X(1000000ull, "0.001")   \
	X(2500000ull, "0.0025")  \
	X(5000000ull, "0.005")   \
	X(10000000ull, "0.01")   \
	X(25000000ull, "0.025")  \
	X(50000000ull, "0.05")   \
	X(100000000ull, "0.1")   \
	X(250000000ull, "0.25")  \
	X(500000000ull, "0.5")   \
	X(1000000000ull, "1.0")  \
	X(2500000000ull, "2.5")  \
	X(5000000000ull, "5.0")  \
	X(10000000000ull, "10.0")

#define TCP_LIFETIME_BOUNDS_NS(X)       \
	X(1000000ull, "0.001")          \
	X(10000000ull, "0.01")          \
	X(100000000ull, "0.1")          \
	X(1000000000ull, "1.0")         \
	X(10000000000ull, "10.0")       \
	X(60000000000ull, "60.0")       \
	X(300000000000ull, "300.0")     \
	X(900000000000ull, "900.0")     \
	X(3600000000000ull, "3600.0")   \
	X(21600000000000ull, "21600.0") \
	X(86400000000000ull, "86400.0")

/* In eighths of a microsecond, as in the kernel. */
#define TCP_ROUND_TRIP_BOUNDS_8TH_US(X) \
	X(80, "1e-05")                  \
	X(200, "2.5e-05")               \
	X(400, "5e-05")                 \
	X(800, "0.0001")                \
	X(2000, "0.00025")              \
	X(4000, "0.0005")               \
	X(8000, "0.001")                \
	X(20000, "0.0025")              \
	X(40000, "0.005")               \
	X(80000, "0.01")                \
	X(200000, "0.025")              \
	X(400000, "0.05")               \
	X(800000, "0.1")                \
	X(2000000, "0.25")              \
	X(4000000, "0.5")               \
	X(8000000, "1.0")

#define TCP_COUNT_BOUND(value, text) +1
#define TCP_CONNECT_BUCKETS (1 TCP_CONNECT_BOUNDS_NS(TCP_COUNT_BOUND))
#define TCP_LIFETIME_BUCKETS (1 TCP_LIFETIME_BOUNDS_NS(TCP_COUNT_BOUND))
#define TCP_ROUND_TRIP_BUCKETS (1 TCP_ROUND_TRIP_BOUNDS_8TH_US(TCP_COUNT_BOUND))

/* What connections carried, added at their close and at each reading of the live sockets. */
struct tcp_traffic {
	__u64 sent;	     /* bytes of payload, without retransmissions */
	__u64 received;	     /* bytes of payload, in order */
	__u64 retransmitted; /* segments, the SYN included */
};

struct tcp_metrics {
	/*
	 * The first three are no longer written. With families and reasons counted apart, a
	 * total is the sum of these and of what an older connpin left here.
	 */
	__u64 active_connections;  /* SYN_SENT to ESTABLISHED */
	__u64 passive_connections; /* SYN_RECV to ESTABLISHED */
	__u64 failed_connections;  /* SYN_SENT to CLOSE */
	__u64 resets_sent;	   /* RST segments */
	__u64 resets_received;	   /* RST segments that ended a connection or attempt */

	__u64 active[TCP_FAMILIES];
	__u64 passive[TCP_FAMILIES];
	__u64 failed[TCP_FAMILIES][TCP_REASONS];
	struct tcp_traffic traffic[TCP_DIRECTIONS];

	/* Each value counts in one bucket; the last bucket is for values above all bounds. */
	__u64 connect[TCP_CONNECT_BUCKETS];   /* SYN_SENT to ESTABLISHED */
	__u64 connect_ns;		      /* the sum of the values */
	__u64 lifetime[TCP_LIFETIME_BUCKETS]; /* ESTABLISHED to CLOSE */
	__u64 lifetime_us;
	__u64 round_trip[TCP_ROUND_TRIP_BUCKETS]; /* smoothed round-trip time, at CLOSE */
	__u64 round_trip_8th_us;

	__u64 sockets_full; /* sockets that found no free slot in tcp_sockets */

	/* What sock_ops programs of others did to the counting by tcp_events. */
	__u64 reply_written; /* changes whose first argument is not the socket's state */
	__u64 flags_cleared; /* changes of followed sockets that tcp_events did not see */
};

_Static_assert(sizeof(struct tcp_metrics) == 656, "append only, then put the new size here");

/*
 * Map `tcp_sockets`, an array: the sockets that are connecting, connected or listening and
 * whose state changes were seen. It is for the programs alone: only root may read it,
 * because it has kernel addresses.
 *
 * A socket is found by its cookie, a number that the kernel gives out once. The low bits of
 * the cookie name a group, and the socket may have any slot of that group. The kernel
 * counts cookies up, so groups fill evenly.
 */
#define TCP_SOCKETS 16384 /* default capacity, setting TCP_SOCKETS; a power of two */
#define TCP_SOCKETS_GROUP 8

struct tcp_socket {
	/*
	 * Of SYN_SENT, then of ESTABLISHED; of an accepted one of its record, which is the
	 * same but for Fast Open. 0: not known. The clock: see TCP_SOCKET_BOOTTIME.
	 */
	__u64 start_ns;
	__u64 sk; /* address of its struct sock */
	/*
	 * What is counted of it in struct tcp_traffic; TCP_COOKIE_SIDE names the active
	 * half.
	 */
	__u64 sent[2];
	__u64 received[2];
	__u32 retransmitted[2];
	__u32 direction;
	__u32 marks; /* TCP_SOCKET_*, and from bit TCP_SOCKET_PLACE on where its record is */
};

#define TCP_SOCKET_ESTABLISHED 1 /* its change to ESTABLISHED has been counted */
#define TCP_SOCKET_FOLLOWED 2	 /* and tcp_events was to see its further changes */
/*
 * start_ns is CLOCK_BOOTTIME, of which one reading serves the identity as well. Without this
 * it is CLOCK_MONOTONIC: an older connpin wrote it.
 */
#define TCP_SOCKET_BOOTTIME 4
#define TCP_SOCKET_PLACE 3 /* the place, of 29 bits, is that of place_of() in identity.bpf.h */

struct tcp_socket_group {
	/* The words of a group are one cache line, which a search reads. */
	__u64 words[TCP_SOCKETS_GROUP]; /* cookie and TCP_COOKIE_* of each slot */
	struct tcp_socket sockets[TCP_SOCKETS_GROUP];
};

/*
 * The counters by cgroup. Map `tcp_cgroups`, an array with one entry, names the cgroups
 * that have a slot; `tcp_cgroup_metrics`, a per-CPU array with one entry, has the counters
 * of each slot. (The members that are named place or places are slots.) Slot 0 is for all
 * other cgroups: those that came when no slot was free, and those that are gone. Each map
 * has one entry, so that one look-up reads all of it. With the setting CGROUP_SERIES at 0
 * no cgroup gets a slot, and these metrics are left out.
 */
#define TCP_CGROUPS_ENTRIES 1
#define TCP_CGROUPS_MAX 512 /* with slot 0, their counters fit a per-CPU value of 32 kB */
#define TCP_CGROUP_HINTS 256
#define TCP_CGROUP_SERIES 256 /* default of the setting CGROUP_SERIES */
#define TCP_CGROUP_LINGER 300 /* default of the setting CGROUP_LINGER, in seconds */
#define TCP_CGROUP_PATH 220

enum {
	TCP_CGROUP_FREE,
	TCP_CGROUP_TAKEN, /* being filled in */
	TCP_CGROUP_USED,
	TCP_CGROUP_LEAVING, /* gone; its counts move to another slot */
};

struct tcp_cgroup {
	__u64 id;      /* the cgroup id, as in name_to_handle_at(2); 0: leaving */
	__u64 gone_ns; /* CLOCK_MONOTONIC when it was first found removed; 0: it exists */
	__u32 state;
	__u32 truncated;	    /* 1: the path is longer and cut */
	__u32 path_hash;	    /* of the path, odd; 0: written by an older connpin */
	char path[TCP_CGROUP_PATH]; /* from the root of the hierarchy, ends with NUL */
	__u64 subtree;		    /* id of the delegated subtree that it is in; 0: none */
};

struct tcp_cgroups {
	__u64 used; /* slots that are not free */
	/* For the low bits of a cgroup id, the slot of the last such cgroup; a hint. */
	__u32 hints[TCP_CGROUP_HINTS];
	struct tcp_cgroup places[TCP_CGROUPS_MAX + 1]; /* slot 0 has no name */
};

struct tcp_cgroup_counters {
	__u64 active;
	__u64 passive;
	__u64 failed;
	__u64 sent;
	__u64 received;
};

struct tcp_cgroup_metrics {
	struct tcp_cgroup_counters places[TCP_CGROUPS_MAX + 1];
};

_Static_assert(sizeof(struct tcp_cgroup) == 256, "explicit padding");
_Static_assert(sizeof(struct tcp_cgroup_metrics) <= 32768, "the most that a CPU may have");

/* Map `tcp_cgroup_index`, a hash from cgroup id to slot. For the programs alone. */
struct tcp_cgroup_place {
	__u64 cgroup; /* address of the struct cgroup */
	__u64 place;
};

/*
 * Map `tcp_cgroup_shares`, a hash: the number of slots that the cgroups of a delegated
 * subtree have. Such a subtree begins at the uppermost cgroup whose directory root does not
 * own; the id of that cgroup is the key. Its user may create any number of cgroups below
 * it, of any owner, but none beside it. A subtree gets another slot only while it has fewer
 * slots than are free. So some remain free however many subtrees there are; cgroups that
 * get no slot count in slot 0. For the programs alone.
 */
struct tcp_cgroup_share {
	__u64 cgroup; /* address of the struct cgroup */
	__u64 places;
};

#define TCP_CGROUP_LEVELS 64 /* a cgroup further down gets no slot */

/*
 * Map `tcp_path_room`, a per-CPU array with one entry: the scratch buffer for building a
 * path, of up to 256 bytes and then a name of up to 256. For the programs alone.
 */
#define TCP_PATH_ROOM_ENTRIES 1
#define TCP_CGROUP_DEPTH 16 /* deeper paths lose their uppermost levels */

struct tcp_path_room {
	__u64 busy;		       /* 1: a program on this CPU is using the buffer */
	__u64 chain[TCP_CGROUP_DEPTH]; /* struct kernfs_node *, from the cgroup upwards */
	char bytes[512];
};

/* Map `tcp_settings`, an array with one entry, written by attach.sh. */
#define TCP_SETTINGS_ENTRIES 1

struct tcp_settings {
	__u32 cgroup_series;
	__u32 cgroup_linger; /* seconds */
	__u32 by_events;     /* 1: tcp_events counts the sockets that it follows */
	/*
	 * 1: attach.sh is at work. A socket that closes without a slot in tcp_sockets may
	 * be older than the attachment, or counted by another build's program.
	 */
	__u32 settling;
};

/*
 * The content of links/on_read_sockets: the number of sockets in each state, indexed as in
 * include/net/tcp_states.h. In CLOSE only those count that still have a slot. Half-open
 * requests are counted apart.
 */
#define TCP_STATES 13
#define TCP_READERS_ENTRIES 1 /* map tcp_readers: a __u64, 1 while a reader counts */

struct tcp_live {
	__u64 states[TCP_STATES];
	__u64 all_namespaces; /* 1: TIME_WAIT covers every network namespace; 0: it is not known */
	__u64 requests;	      /* half-open requests, which other tools show as SYN_RECV */
	__u64 sockets_capacity;
	__u64 cgroup_series; /* the most cgroups that may have a slot */
	__u64 cgroups_used;  /* how many have one */
};

#define TCP_COOKIE_SIDE (1ull << 63)   /* the active half of the pairs; a free slot keeps it */
#define TCP_COOKIE_BUSY (1ull << 62)   /* being filled in */
#define TCP_COOKIE_CLOSED (1ull << 61) /* free; its last socket has closed */
#define TCP_COOKIE_LIFE (1ull << 53)   /* counts up when the socket connects again */
#define TCP_COOKIE_LIVES (255 * TCP_COOKIE_LIFE)
#define TCP_COOKIE_BITS (TCP_COOKIE_SIDE | TCP_COOKIE_BUSY | TCP_COOKIE_CLOSED | TCP_COOKIE_LIVES)

_Static_assert(sizeof(struct tcp_socket) == 64, "a line of the cache each");

#endif

/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The TCP counters: layouts of the maps `tcp_metrics` and `tcp_sockets`.
 *
 * tcp_metrics is a per-CPU array: a reader gets one struct tcp_metrics for each
 * possible CPU and adds them up, over both keys. The programs count in one of them;
 * the other holds what earlier layouts had counted, put there by attach.sh before the
 * map is in its place. The counters count up from the first attachment and wrap at
 * 2^64. Host byte order.
 *
 * Members are only ever appended: of a shorter struct, what is there keeps its place.
 */
#ifndef CONNPIN_TCP_MONITOR_H
#define CONNPIN_TCP_MONITOR_H

#include <linux/types.h>

#define TCP_METRICS_ENTRIES 2
#define TCP_METRICS_LIVE 0    /* key: what the programs count */
#define TCP_METRICS_CARRIED 1 /* key: what came from a map of an older layout */

/* Why an attempt failed. */
enum {
	TCP_REFUSED,	 /* a RST answered the SYN */
	TCP_TIMEOUT,	 /* nothing answered */
	TCP_UNREACHABLE, /* ICMP said so, or the route is gone */
	TCP_ABORTED,	 /* this host closed it, the SYN was sent */
	TCP_LOCAL,	 /* no SYN was sent */
	TCP_OTHER,	 /* any other error */
	TCP_REASONS,
};

/* Addresses that are IPv4-mapped are IPv4. */
enum { TCP_IPV4, TCP_IPV6, TCP_FAMILIES };

/*
 * Who opened a connection. Unknown: it is older than the attachment, or
 * `tcp_sockets` was full.
 */
enum { TCP_ACTIVE, TCP_PASSIVE, TCP_UNKNOWN, TCP_DIRECTIONS };

/*
 * Upper bounds of the buckets, inclusive: X(value, "seconds"). The value is in the
 * unit that the kernel counts in, the text as OpenMetrics wants it.
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

/* Eighths of a microsecond, as the kernel keeps the smoothed time. */
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

/* What connections carried: added when one closes, and as it goes (see tcp_sockets). */
struct tcp_traffic {
	__u64 sent;	     /* bytes of payload, the first time each is sent */
	__u64 received;	     /* bytes of payload, in order */
	__u64 retransmitted; /* segments, SYN among them */
};

struct tcp_metrics {
	/*
	 * The first three count no more: since there are families and reasons, a total
	 * is the sum of those and of what an older connpin left here.
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

	/* Each value counts in one bucket, the last being for those over every bound. */
	__u64 connect[TCP_CONNECT_BUCKETS];   /* SYN_SENT to ESTABLISHED */
	__u64 connect_ns;		      /* the sum of the values */
	__u64 lifetime[TCP_LIFETIME_BUCKETS]; /* ESTABLISHED to CLOSE */
	__u64 lifetime_us;
	__u64 round_trip[TCP_ROUND_TRIP_BUCKETS]; /* smoothed, at CLOSE */
	__u64 round_trip_8th_us;

	__u64 sockets_full; /* sockets that found no place in tcp_sockets */

	/* What other sock_ops programs of the host did to tcp_events. */
	__u64 reply_written; /* changes told with an argument that is not the socket's state */
	__u64 flags_cleared; /* changes of followed sockets that were not told any more */
};

_Static_assert(sizeof(struct tcp_metrics) == 656, "append only, then put the new size here");

/*
 * Map `tcp_sockets`, an array: the sockets that are connecting, connected or
 * listening, as far as their state changes were seen. For the programs alone: nobody
 * but root may read it, it holds kernel addresses.
 *
 * A socket is found by its cookie, a number that the kernel gives out once: in the
 * group that its low bits name, at any of the places there. Cookies are given out
 * one after another, so groups fill evenly.
 */
#define TCP_SOCKETS 16384 /* default capacity, setting TCP_SOCKETS; a power of two */
#define TCP_SOCKETS_GROUP 8

struct tcp_socket {
	__u64 start_ns; /* CLOCK_MONOTONIC of SYN_SENT, then of ESTABLISHED; 0 unknown */
	__u64 sk;	/* address of its struct sock */
	/* Its share of struct tcp_traffic that is counted: see TCP_COOKIE_SIDE. */
	__u64 sent[2];
	__u64 received[2];
	__u32 retransmitted[2];
	__u32 direction;
	__u32 marks; /* TCP_SOCKET_* */
};

#define TCP_SOCKET_ESTABLISHED 1 /* that it was established has been counted */
#define TCP_SOCKET_FOLLOWED 2	 /* and tcp_events was to be told of its further changes */

struct tcp_socket_group {
	__u64 words[TCP_SOCKETS_GROUP]; /* cookie and bits below; a cache line */
	struct tcp_socket sockets[TCP_SOCKETS_GROUP];
};

/*
 * By cgroup. Map `tcp_cgroups`, an array with one entry, names the cgroups that have a
 * place; `tcp_cgroup_metrics`, a per-CPU array with one entry, counts for each place.
 * Place 0 is for all others: those that came when no place was free, and those that
 * are gone. One entry each, so that one look-up reads all. With a setting CGROUP_SERIES of
 * 0 no cgroup gets a place, and these metrics are left out.
 */
#define TCP_CGROUPS_ENTRIES 1
#define TCP_CGROUPS_MAX 512 /* the counters of one more fit a per-CPU value, of 32 kB */
#define TCP_CGROUP_HINTS 256
#define TCP_CGROUP_SERIES 256 /* default of the setting CGROUP_SERIES */
#define TCP_CGROUP_LINGER 300 /* default of the setting CGROUP_LINGER, in seconds */
#define TCP_CGROUP_PATH 220

enum {
	TCP_CGROUP_FREE,
	TCP_CGROUP_TAKEN, /* being filled in */
	TCP_CGROUP_USED,
	TCP_CGROUP_LEAVING, /* gone; its counts will move to place 0 */
};

struct tcp_cgroup {
	__u64 id;      /* as cgroup.id of the kernel and name_to_handle_at(2) have it; 0 leaving */
	__u64 gone_ns; /* CLOCK_MONOTONIC when it was first found removed; 0 it is there */
	__u32 state;
	__u32 truncated;	    /* 1: the path has an end that did not fit */
	__u32 path_hash;	    /* of the path, odd; 0 of an older connpin's */
	char path[TCP_CGROUP_PATH]; /* from the root of the hierarchy, ends with 0 */
	__u64 subtree;		    /* the delegated one that it is in; 0 none */
};

struct tcp_cgroups {
	__u64 used; /* places that are not free */
	/* Where the cgroup that last had these low bits of its id was: to be checked there. */
	__u32 hints[TCP_CGROUP_HINTS];
	struct tcp_cgroup places[TCP_CGROUPS_MAX + 1]; /* place 0 has no name */
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

/* Map `tcp_cgroup_index`, a hash: cgroup id to place. For the programs alone. */
struct tcp_cgroup_place {
	__u64 cgroup; /* address of the struct cgroup */
	__u64 place;
};

/*
 * Map `tcp_cgroup_shares`, a hash: how many places the cgroups of a delegated subtree
 * have. That begins with the uppermost cgroup whose directory root does not own, and its
 * id is the key: whoever it was given to makes as many cgroups below as they like, of any
 * owner, but none beside it. A subtree gets a further place only while it has fewer than
 * are free, so that some remain, however many subtrees there are; the cgroups that get none
 * count in place 0. For the programs alone.
 */
struct tcp_cgroup_share {
	__u64 cgroup; /* address of the struct cgroup */
	__u64 places;
};

#define TCP_CGROUP_LEVELS 64 /* a cgroup further down has no place */

/*
 * Map `tcp_path_room`, a per-CPU array with one entry: where a path is put together,
 * as far as 256 bytes, then a name of as many. For the programs alone.
 */
#define TCP_PATH_ROOM_ENTRIES 1
#define TCP_CGROUP_DEPTH 16 /* of more levels the uppermost are left out */

struct tcp_path_room {
	__u64 busy;		       /* 1: somebody on this CPU is in the middle of one */
	__u64 chain[TCP_CGROUP_DEPTH]; /* struct kernfs_node *, upwards */
	char bytes[512];
};

/* Map `tcp_settings`, an array with one entry, written by attach.sh. */
#define TCP_SETTINGS_ENTRIES 1

struct tcp_settings {
	__u32 cgroup_series;
	__u32 cgroup_linger; /* seconds */
	__u32 by_events;     /* 1: tcp_events counts the sockets that it follows */
	/*
	 * 1: attach.sh is not done. A socket without a place in tcp_sockets that closes may
	 * be older than the attachment, or another build's program has counted it.
	 */
	__u32 settling;
};

/*
 * What reading links/on_read_sockets gives: sockets by state, a number of
 * include/net/tcp_states.h each. Of those in CLOSE only the ones that are kept yet; the
 * half-open requests are apart.
 */
#define TCP_STATES 13
#define TCP_READERS_ENTRIES 1 /* map tcp_readers: a __u64, 1 while someone reads */

struct tcp_live {
	__u64 states[TCP_STATES];
	__u64 all_namespaces; /* 1: TIME_WAIT is that of every network namespace */
	__u64 requests;	      /* half-open: what the other tools call SYN_RECV */
	__u64 sockets_capacity;
	__u64 cgroup_series; /* the most cgroups with a place, and how many have one */
	__u64 cgroups_used;
};

#define TCP_COOKIE_SIDE (1ull << 63)   /* which half of the pairs holds; stays when free */
#define TCP_COOKIE_BUSY (1ull << 62)   /* being filled in */
#define TCP_COOKIE_CLOSED (1ull << 61) /* free; the socket that had it has closed */
#define TCP_COOKIE_LIFE (1ull << 53)   /* counts up when a socket connects again */
#define TCP_COOKIE_LIVES (255 * TCP_COOKIE_LIFE)
#define TCP_COOKIE_BITS (TCP_COOKIE_SIDE | TCP_COOKIE_BUSY | TCP_COOKIE_CLOSED | TCP_COOKIE_LIVES)

_Static_assert(sizeof(struct tcp_socket) == 64, "a line of the cache each");

#endif

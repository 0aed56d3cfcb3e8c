/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Sockets that are neither TCP nor UDP, and the process that created each. They have no
 * ports to look them up by, and some of them send packets that firewall rules for TCP and
 * UDP do not match. Map `other_sockets`: an array of buckets of eight records, key __u32.
 *
 * A record is found by the inode number of the socket, the N of "socket:[N]" in
 * /proc/PID/fd. /proc/net/packet shows it for packet sockets. All integers are in host byte
 * order.
 *
 * MPTCP is left out because its subflows are TCP and recorded as such. AF_UNIX, AF_NETLINK,
 * AF_KEY and AF_ALG are left out because they reach no other host, and so are the sockets
 * that the kernel creates for itself. An SCTP or vsock socket that accept(2) returns has no
 * record of its own; the listening socket has one.
 *
 * Eviction: a new socket takes a free record of its bucket. In a full bucket, a user who
 * has OTHER_SHARE of the eight loses one of these; for any other user it may be any record.
 * The oldest closed one goes first, and if none is closed, the oldest. So no user can evict
 * more records of others from a bucket than that share.
 *
 * Whether a socket is closed is found out on demand: when a record is needed, and when a
 * reader reads the link on_read_held. That program compares the recorded sockets with the
 * kernel's memory and notes the inode number of a closed one in closed[]. A program that
 * runs at each close would run for TCP and UDP as well.
 *
 * A reader copies a bucket by BPF_MAP_LOOKUP_ELEM. The copy may be half old and half new: a
 * record is valid only when its check is what other_check() computes from it.
 *
 * In the kernel source: net/ipv4/af_inet.c and net/ipv6/af_inet6.c run cgroup/sock_create
 * for sockets that a process creates; __sock_create() of net/socket.c creates the sockets
 * of all families; sock_orphan() of include/net/sock.h clears sk_socket when a socket
 * closes.
 */
#ifndef CONNPIN_OTHER_SOCKETS_H
#define CONNPIN_OTHER_SOCKETS_H

#include <linux/types.h>

#define OTHER_WAYS 8	   /* records of a bucket */
#define OTHER_SHARE 4	   /* a user who has that many in a bucket loses own ones */
#define OTHER_SOCKETS 1024 /* default capacity, setting OTHER_SOCKETS */
#define OTHER_BUCKETS (OTHER_SOCKETS / OTHER_WAYS)

#define OTHER_COMM_BYTES 16 /* TASK_COMM_LEN of include/linux/sched.h */

/* The kinds, which are indices of `other_socket_counts`: append only. */
enum {
	OTHER_ICMP, /* ping sockets: SOCK_DGRAM with IPPROTO_ICMP or IPPROTO_ICMPV6 */
	OTHER_RAW,  /* SOCK_RAW of AF_INET or AF_INET6, whatever the protocol */
	OTHER_SCTP,
	OTHER_UDPLITE, /* up to Linux 7.0 */
	OTHER_PACKET,  /* AF_PACKET */
	OTHER_XDP,     /* AF_XDP */
	OTHER_SMC,     /* AF_SMC, and IPPROTO_SMC of AF_INET and AF_INET6 */
	OTHER_VSOCK,   /* AF_VSOCK */
	OTHER_REST,    /* any other protocol of AF_INET and AF_INET6, and any other family */
	OTHER_KINDS,
};

/* Bits of flags. */
#define OTHER_BEFORE 1	    /* older than the attachment, whose time it has */
#define OTHER_NO_PROTOCOL 2 /* the protocol is not known */

/*
 * The process is the one that created the socket or, with OTHER_BEFORE, the oldest one that
 * had it open.
 */
struct other_socket {
	__u32 check;	    /* other_check() of the record; odd while it is written */
	__u32 netns;	    /* inode number of the socket's network namespace; may be reused */
	__u64 inode;	    /* of the socket */
	__u64 cookie;	    /* SO_COOKIE; 0: it had none when this was written */
	__u64 netns_cookie; /* SO_NETNS_COOKIE, never reused; 0: not known */
	__u64 start_time;   /* of the process, ns since boot, suspended time included */
	__u64 time;	    /* when the socket was created, on the same clock */
	__u64 cgroup_id;    /* of the process's cgroup (version 2): its inode number */
	__u64 exe_inode;    /* of the executable: i_ino; 0: none */
	__u32 exe_device;   /* its file system's s_dev: major number << 20 | minor number */
	__u32 exec_id;	    /* low bits of self_exec_id, which each exec changes */
	__u32 pid;	    /* of the process, in the initial PID namespace */
	__u32 tid;	    /* of its thread */
	__u32 uid;	    /* real user and group, in the initial user namespace */
	__u32 gid;
	__u16 family;	/* AF_* */
	__u16 protocol; /* IPPROTO_*; for AF_PACKET the EtherType, 3: all; else the family's own */
	__u8 kind;	/* OTHER_ICMP and so on */
	__u8 flags;	/* OTHER_* */
	__u8 pad[2];
	char comm[OTHER_COMM_BYTES]; /* of the process, not the thread; ends with NUL */
};

struct other_bucket {
	/* Of each record, the inode number of its socket when that was found closed. */
	__u64 closed[OTHER_WAYS];
	struct other_socket way[OTHER_WAYS]; /* inode 0: free */
};

/*
 * How many were created since the attachment: map `other_socket_counts`, a per-CPU array
 * with one entry, key __u32 0. A socket that another program of the hook refused counts as
 * well.
 */
struct other_counts {
	__u64 created[OTHER_KINDS];
	__u64 evicted; /* records replaced by that of another socket */
	__u64 dropped; /* records not written, because other writers had the records to replace */
};

#define OTHER_WORDS (sizeof(struct other_socket) / sizeof(__u64))

_Static_assert(sizeof(struct other_socket) == 112, "explicit padding, whole words");
_Static_assert(sizeof(struct other_bucket) == 64 + 8 * 112, "explicit padding");

/*
 * A sum of all words but the check itself, each multiplied by its own factor; the result is
 * even. A mix of two records passes as valid with a probability of 2^-31.
 */
static inline __u32 other_check(const struct other_socket *record)
{
	const __u64 *word = (const void *)record;
	__u64 factor = 0x9e3779b97f4a7c15ULL, sum = (word[0] >> 32) * factor;

	for (unsigned i = 1; i < OTHER_WORDS; i++) {
		factor = factor * 0x5851f42d4c957f2dULL + 2;
		sum += word[i] * factor;
	}
	return (__u32)(sum >> 32) & ~1U;
}

#endif

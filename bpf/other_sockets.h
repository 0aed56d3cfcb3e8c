/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Sockets that are neither TCP nor UDP: who made each. They have no ports to ask by, and
 * some of them send what no firewall rule for TCP and UDP looks at. Map `other_sockets`, an
 * array of buckets of eight records, key __u32.
 *
 * A socket's record is found by its inode number, which is that of "socket:[N]" in
 * /proc/PID/fd and, for packet sockets, of /proc/net/packet. All integers are in host byte
 * order.
 *
 * MPTCP is left out because it is TCP: its subflows are recorded as such. So are AF_UNIX,
 * AF_NETLINK, AF_KEY and AF_ALG, which reach no other host, and the sockets that the kernel
 * makes for itself. A socket that accept(2) made, of SCTP or vsock, has no record of its own;
 * the one that listens has.
 *
 * Room: a new socket takes a free record of its bucket. In a full one, a user who has
 * OTHER_SHARE of the eight gives up one of the own, and anybody else takes any; of these
 * the oldest that is closed, or when none is, the oldest. So no user can push out of a bucket
 * more of the others' records than that share.
 *
 * Whether a socket is closed is found out when it matters: when room is needed, and when a
 * reader reads the link on_read_held. There a program compares the socket with the
 * record, and notes in closed[] the number of one that is gone. No program runs at each
 * close, because that would be for each of TCP and UDP as well.
 *
 * A reader gets a copy of a bucket by BPF_MAP_LOOKUP_ELEM, which may be half old and half
 * new: a record counts only when its check is the one that other_check() computes of it.
 *
 * What stands in the kernel's source: net/ipv4/af_inet.c and net/ipv6/af_inet6.c run
 * cgroup/sock_create for what a process makes; net/socket.c, __sock_create(), makes sockets
 * of all families; sock_orphan() of include/net/sock.h takes sk_socket away at the end.
 */
#ifndef CONNPIN_OTHER_SOCKETS_H
#define CONNPIN_OTHER_SOCKETS_H

#include <linux/types.h>

#define OTHER_WAYS 8	   /* records of a bucket */
#define OTHER_SHARE 4	   /* of them, from which on a user gives up own ones */
#define OTHER_SOCKETS 1024 /* default capacity, setting OTHER_SOCKETS */
#define OTHER_BUCKETS (OTHER_SOCKETS / OTHER_WAYS)

#define OTHER_COMM_BYTES 16 /* TASK_COMM_LEN of include/linux/sched.h */

/* The kinds, in the order of `other_socket_counts`: appended to, never changed. */
enum {
	OTHER_ICMP, /* ping sockets: SOCK_DGRAM with IPPROTO_ICMP or IPPROTO_ICMPV6 */
	OTHER_RAW,  /* SOCK_RAW of AF_INET or AF_INET6, whatever the protocol */
	OTHER_SCTP,
	OTHER_UDPLITE, /* up to Linux 7.0 */
	OTHER_PACKET,  /* AF_PACKET */
	OTHER_XDP,     /* AF_XDP */
	OTHER_SMC,     /* AF_SMC, and IPPROTO_SMC of AF_INET and AF_INET6 */
	OTHER_VSOCK,   /* AF_VSOCK */
	OTHER_REST,    /* another protocol of AF_INET and AF_INET6, or another family */
	OTHER_KINDS,
};

/* Bits of flags. */
#define OTHER_BEFORE 1	    /* older than the attachment: time is that of the attachment */
#define OTHER_NO_PROTOCOL 2 /* which protocol it has is not known */

struct other_socket {
	__u32 check;	    /* other_check() of the record; odd: it is being written */
	__u32 netns;	    /* inode number of the socket's network namespace, used again */
	__u64 inode;	    /* of the socket */
	__u64 cookie;	    /* SO_COOKIE of the socket; 0: it had none when this was written */
	__u64 netns_cookie; /* SO_NETNS_COOKIE, never used again; 0: not known */
	__u64 start_time;   /* of the process, ns since boot, suspended time included */
	__u64 time;	    /* when the socket was made, same clock */
	__u64 cgroup_id;    /* of the process in cgroup v2: the inode number */
	__u64 exe_inode;    /* of the executable: i_ino; 0: none */
	__u32 exe_device;   /* its file system's s_dev: major number << 20 | minor number */
	__u32 exec_id;	    /* self_exec_id, low bits: another one after each exec */
	__u32 pid;	    /* who made it, in the initial PID namespace; or, of OTHER_BEFORE, */
	__u32 tid;	    /* the oldest process that had it open. And its thread */
	__u32 uid;	    /* real user and group, as the initial namespace has them */
	__u32 gid;
	__u16 family;	/* AF_* */
	__u16 protocol; /* IPPROTO_*; of AF_PACKET the EtherType, 3: all; else that of the family */
	__u8 kind;	/* OTHER_ICMP and so on */
	__u8 flags;	/* OTHER_* */
	__u8 pad[2];
	char comm[OTHER_COMM_BYTES]; /* of the process, not of the thread; NUL-ended */
};

struct other_bucket {
	/* The inode number of the socket that each record was of when it was found closed. */
	__u64 closed[OTHER_WAYS];
	struct other_socket way[OTHER_WAYS]; /* inode 0: free */
};

/*
 * How many were made since the attachment: map `other_socket_counts`, a per-CPU array with
 * one entry, key __u32 0. A socket that another program of the hook refused counts.
 */
struct other_counts {
	__u64 created[OTHER_KINDS];
	__u64 evicted; /* records that made room for another socket's */
	__u64 dropped; /* records not written: others were writing to all that might go */
};

#define OTHER_WORDS (sizeof(struct other_socket) / sizeof(__u64))

_Static_assert(sizeof(struct other_socket) == 112, "explicit padding, whole words");
_Static_assert(sizeof(struct other_bucket) == 64 + 8 * 112, "explicit padding");

/*
 * A sum of all words but the check itself, each with a factor of its own; even. A mix of
 * two records passes for one with a probability of 2^-31.
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

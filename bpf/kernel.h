/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel types that the programs read, and no more.
 *
 * Each struct names only the members that are used here. By preserve_access_index the
 * loader puts in the offsets of the running kernel (CO-RE), so the build needs neither a
 * generated vmlinux.h nor the BTF of its host. BPF side only: user space never includes
 * this file.
 */
#ifndef CONNPIN_KERNEL_H
#define CONNPIN_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

/*
 * Keeps clang from merging two loads into one through a computed pointer, which the
 * verifier refuses for sockets and contexts.
 */
#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))

/* Kernel ABI values that no uapi header has in a form usable here. */
#define EEXIST 17 /* include/uapi/asm-generic/errno-base.h */
#define EPIPE 32  /* likewise */
#define ENONET 64 /* include/uapi/asm-generic/errno.h, as those that follow */
#define ENETUNREACH 101
#define ECONNABORTED 103
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTDOWN 112
#define EHOSTUNREACH 113
#define CSS_ONLINE 2	      /* include/linux/cgroup-defs.h: the cgroup is not being removed */
#define SOCK_DONE 1	      /* include/net/sock.h, bits of sk_flags */
#define AF_INET 2	      /* include/linux/socket.h */
#define AF_INET6 10	      /* include/linux/socket.h */
#define IPPROTO_TCP 6	      /* include/uapi/linux/in.h */
#define SOCK_RAW 3	      /* include/linux/net.h */
#define IPPROTO_MPTCP 262     /* include/uapi/linux/in.h */
#define IPPROTO_UDP 17	      /* include/uapi/linux/in.h */
#define PF_KTHREAD 0x00200000 /* include/linux/sched.h, as the next */
#define PF_IO_WORKER 0x10     /* of io_uring */
#define TCP_ESTABLISHED 1     /* include/net/tcp_states.h, as those that follow */
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_FIN_WAIT1 4
#define TCP_FIN_WAIT2 5
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_LAST_ACK 9
#define TCP_LISTEN 10
#define TCP_CLOSING 11
#define TCP_NEW_SYN_RECV 12
#define RTN_LOCAL 2	     /* include/uapi/linux/rtnetlink.h */
#define RTF_LOCAL (1U << 31) /* include/uapi/linux/ipv6_route.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/linux/types.h */
typedef struct {
	__s64 counter;
} atomic64_t;

typedef struct {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next;
};

/* include/linux/uidgid_types.h */
typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	__u32 val;
} kgid_t;

/* include/linux/cred.h */
struct cred {
	kuid_t uid;
	kgid_t gid;
};

/* fs/kernfs/kernfs-internal.h */
struct kernfs_iattrs {
	kuid_t ia_uid;
};

/* include/linux/kernfs.h */
struct kernfs_node {
	struct kernfs_iattrs *iattr; /* NULL while root owns it */
	struct kernfs_node *__parent;
	const char *name;
	void *priv; /* of a cgroup's directory: its struct cgroup */
	__u64 id;   /* the inode number, on 64-bit hosts */
};

/* include/linux/cgroup-defs.h */
struct cgroup_subsys_state {
	unsigned int flags;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct sock_cgroup_data {
	struct cgroup *cgroup; /* of version 2 */
};

/* include/linux/refcount.h */
typedef struct {
	atomic_t refs;
} refcount_t;

/* include/net/netns/ipv4.h */
struct inet_timewait_death_row {
	refcount_t tw_refcount;
};

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
};

/* include/linux/ns_common.h */
struct ns_common {
	const void *ops;
	unsigned int inum;
	__u64 ns_id; /* since 6.18 */
};

/* include/net/net_namespace.h */
struct net {
	struct list_head list;
	__u64 net_cookie;
	struct ns_common ns;
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

/* include/linux/nsproxy.h */
struct nsproxy {
	struct net *net_ns;
};

struct sock;
struct file;

/* include/linux/net.h */
struct socket {
	short type; /* SOCK_* */
	struct file *file;
	struct sock *sk;
};

/* include/linux/fs.h */
struct super_block {
	__u32 s_dev; /* major number << 20 | minor number */
};

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
};

/* include/net/sock.h */
struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

/* include/linux/dcache.h */
struct qstr {
	__u32 len; /* bytes, without the NUL */
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev; /* NULL: not in a hash table */
};

struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent; /* of the root of a file system: itself */
	struct qstr d_name;
};

/* include/linux/mount.h */
struct vfsmount {
	struct dentry *mnt_root;
};

/* fs/mount.h */
struct mount {
	struct mount *mnt_parent; /* of the root of all mounts: itself */
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

/* include/linux/path.h */
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

/* include/linux/fs.h */
struct file {
	struct path f_path;
	struct inode *f_inode;
	void *private_data; /* of a socket: its struct socket */
};

/* include/linux/mm_types.h */
struct mm_struct {
	unsigned long arg_start; /* begin of the arguments in the memory of the process */
	unsigned long arg_end;
	struct file *exe_file;
};

/* include/linux/fdtable.h */
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

/* arch/ARCH/include/asm/thread_info.h */
struct thread_info {
	unsigned long flags; /* TIF_* */
	__u32 status;	     /* x86: TS_* */
};

/* include/linux/sched.h */
struct task_struct {
	struct thread_info thread_info;
	unsigned int flags; /* PF_* */
	int pid;	    /* the thread, as numbered in the initial PID namespace */
	int tgid;	    /* the process, likewise */
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	__u64 start_boottime; /* ns */
	kuid_t loginuid;      /* with CONFIG_AUDIT, as the next */
	unsigned int sessionid;
	const struct cred *cred;
	char comm[16];
	struct mm_struct *mm;
	__u64 self_exec_id; /* counts each exec; 32 bits before 5.7 */
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
};

/* include/uapi/linux/in6.h */
struct in6_addr {
	union {
		__u32 u6_addr32[4];
	} in6_u;
};

/* include/net/sock.h */
struct sock_common {
	__u16 skc_family;
	__u32 skc_daddr;     /* network byte order, as the next two */
	__u32 skc_rcv_saddr; /* the local address; 0: any */
	__u16 skc_dport;
	__u16 skc_num; /* the local port, host byte order */
	unsigned char skc_state;
	unsigned char skc_reuseport : 1; /* SO_REUSEPORT */
	possible_net_t skc_net;
	atomic64_t skc_cookie;	      /* 0 until something asks for it */
	struct in6_addr skc_v6_daddr; /* with CONFIG_IPV6, as the next */
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags; /* sk_flags, bits SOCK_* */
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	int sk_err;
	struct socket *sk_socket; /* NULL when the socket is closed */
	struct sock_cgroup_data sk_cgrp_data;
};

/* net/packet/internal.h */
struct packet_sock {
	__u16 num; /* the EtherType, network byte order */
};

/* include/linux/tcp.h */
struct tcp_sock {
	__u8 bpf_sock_ops_cb_flags;
	bool is_mptcp;		   /* this is a subflow; with CONFIG_MPTCP */
	__u8 fastopen_connect : 1; /* TCP_FASTOPEN_CONNECT is on: the SYN may wait for data */
	__u32 segs_out;		   /* segments sent, the SYN and retransmissions included */
	__u32 snd_una;		   /* the first byte not acknowledged */
	__u32 snd_nxt;		   /* the next one to send */
	__u64 bytes_acked;	   /* on the side that opened, the SYN counts as a byte */
	__u64 bytes_sent;	   /* payload, retransmissions included */
	__u64 bytes_retrans;
	__u64 bytes_received; /* in order; a FIN counts as a byte */
	__u32 total_retrans;  /* segments */
	__u32 srtt_us;	      /* smoothed round-trip time, in eighths of a microsecond */
};

/* include/net/request_sock.h */
struct fastopen_queue {
	int qlen;
};

struct request_sock_queue {
	atomic_t qlen;
	struct fastopen_queue fastopenq;
};

/* include/net/inet_connection_sock.h */
struct inet_connection_sock {
	struct request_sock_queue icsk_accept_queue;
	void *icsk_ulp_data; /* of MPTCP: struct mptcp_subflow_context */
};

/* net/mptcp/protocol.h */
struct mptcp_subflow_context {
	__u32 request_join : 1; /* a further subflow, not the one that a program connected */
};

/* include/linux/bpf.h */
struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num; /* number of the object within one reading, from 0 */
};

/* kernel/bpf/task_iter.c */
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

/* net/ipv4/tcp_ipv4.c */
struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_map {
	__u32 id;
	__u32 max_entries;
};

struct bpf_array {
	void *pptrs[1]; /* of a per-CPU array: the per-CPU pointer of each entry */
};

struct bpf_prog_aux {
	__u32 used_map_cnt;
	struct bpf_map **used_maps;
	__u64 load_time; /* ns since boot */
	char name[16];
};

struct bpf_iter__bpf_prog {
	struct bpf_iter_meta *meta;
	struct bpf_prog *prog;
};

/* include/linux/u64_stats_sync.h, on 64-bit hosts */
typedef struct {
	__u64 v;
} u64_stats_t;

/* include/linux/filter.h */
struct bpf_prog_stats {
	u64_stats_t cnt;
	u64_stats_t nsecs;
	u64_stats_t misses;
};

struct bpf_prog {
	struct bpf_prog_stats *stats; /* one for each CPU */
	struct bpf_prog_aux *aux;
};

struct bpf_sock_addr_kern {
	struct sock *sk;
};

/* include/linux/skbuff.h */
struct sk_buff {
	unsigned long _skb_refdst;
	unsigned char *head;
	__u16 transport_header;
};

/* include/net/route.h */
struct rtable {
	__u16 rt_type;
};

/* include/net/ip6_fib.h */
struct rt6_info {
	__u32 rt6i_flags;
};

#pragma clang attribute pop

#endif

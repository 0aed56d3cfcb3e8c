/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel types that the programs read, and no more.
 *
 * Each struct names only the members used here; preserve_access_index makes
 * the loader put in the offsets of the running kernel (CO-RE), so neither a
 * generated vmlinux.h nor the BTF of the building host is needed. BPF side
 * only: user space never includes this file.
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

/* Kernel ABI values that no uapi header carries in a form usable here. */
#define EEXIST 17 /* include/uapi/asm-generic/errno-base.h */
#define ENONET 64 /* include/uapi/asm-generic/errno.h, as those that follow */
#define ENETUNREACH 101
#define ECONNABORTED 103
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTDOWN 112
#define EHOSTUNREACH 113
#define SOCK_DONE 1	      /* include/net/sock.h, bits of sk_flags */
#define AF_INET 2	      /* include/linux/socket.h */
#define AF_INET6 10	      /* include/linux/socket.h */
#define IPPROTO_TCP 6	      /* include/uapi/linux/in.h */
#define SOCK_RAW 3	      /* include/linux/net.h */
#define IPPROTO_ICMPV6 58     /* include/uapi/linux/in6.h */
#define IPPROTO_UDP 17	      /* include/uapi/linux/in.h */
#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */
#define RTN_LOCAL 2	      /* include/uapi/linux/rtnetlink.h */
#define RTF_LOCAL (1U << 31)  /* include/uapi/linux/ipv6_route.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/linux/sched.h */
struct task_struct {
	unsigned int flags; /* PF_* */
	int tgid;	    /* as numbered in the initial PID namespace */
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
	__u32 skc_daddr; /* network byte order, as skc_dport */
	__u16 skc_dport;
	__u16 skc_num; /* the local port, host byte order */
	unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	unsigned long skc_flags; /* sk_flags, bits SOCK_* */
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	int sk_err;
};

/* include/linux/tcp.h */
struct tcp_sock {
	__u32 segs_out;	  /* segments sent, SYN and retransmissions among them */
	__u64 bytes_sent; /* payload, retransmissions among it */
	__u64 bytes_retrans;
	__u64 bytes_received; /* in order; a FIN counts as a byte */
	__u32 total_retrans;  /* segments */
	__u32 srtt_us;	      /* smoothed round-trip time, in eighths of a microsecond */
};

/* include/linux/bpf.h */
struct bpf_map {
	__u32 max_entries;
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

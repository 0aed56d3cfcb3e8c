// SPDX-License-Identifier: GPL-2.0
/*
 * ipv6_blocker: refuses native IPv6 while config[0] is 1, so that programs fall back to
 * IPv4, which the firewall inspects.
 *
 * The packets to an IPv4-mapped address (::ffff:a.b.c.d) are IPv4, so it is allowed. The
 * hook connect6 runs for TCP, including the subflows of MPTCP, and for UDP; sendmsg6 runs
 * for datagrams that carry an address. Neither runs for other protocols, such as raw and
 * ping sockets, UDP-Lite and SCTP: these sockets are refused when they are created. The
 * caller gets EPERM. Open sockets continue to work, and AF_PACKET passes none of these
 * hooks.
 */
#include "address.bpf.h"
#include "ipv6_blocker.h"
#include "tracker_metrics.bpf.h"

#define REFUSE 0
#define ALLOW 1

/* The hooks in this object: all of them, or one in each variant (bpf/variants). */
#define CONNECTS 1
#define SENDS 2
#define SOCKETS 4
#ifndef PARTS
#define PARTS (CONNECTS | SENDS | SOCKETS)
#endif

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONFIG_ENTRIES);
	__type(key, __u32);
	__type(value, __u8);
} config SEC(".maps");

static __always_inline bool is_blocking(void)
{
	__u32 key = CONFIG_BLOCK_IPV6;
	__u8 *block = bpf_map_lookup_elem(&config, &key);

	return block && *block == 1;
}

static __always_inline int refuse(void)
{
	COUNT_TRACKER(refused_v6);
	return REFUSE;
}

#if PARTS & (CONNECTS | SENDS)
static __always_inline int verdict(struct bpf_sock_addr *ctx)
{
	if (!is_blocking())
		return ALLOW;
	if (is_v4_mapped(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2]))
		return ALLOW;
	return refuse();
}

#endif

#if PARTS & CONNECTS
SEC("cgroup/connect6")
int block_connect6(struct bpf_sock_addr *ctx)
{
	return verdict(ctx);
}

#endif

#if PARTS & SENDS
SEC("cgroup/sendmsg6")
int block_sendmsg6(struct bpf_sock_addr *ctx)
{
	return verdict(ctx);
}

#endif

#if PARTS & SOCKETS
SEC("cgroup/sock_create")
int block_sock_create(struct bpf_sock *ctx)
{
	if (ctx->family != AF_INET6)
		return ALLOW;
	if (ctx->type != SOCK_RAW &&
	    (ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_UDP ||
	     ctx->protocol == IPPROTO_MPTCP))
		return ALLOW;
	return is_blocking() ? refuse() : ALLOW;
}

#endif

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_counters_raw: tcp_counters for kernels that refuse tracing programs. It uses the same
 * tracepoint as a raw one; its arguments are numbers, so a helper reads each member of the
 * socket.
 */
#include "tcp_counters.bpf.h"
#include "tcp_settings.bpf.h"

/* The same as is_left_to_events() of tcp_traced.bpf.h. */
static __always_inline bool is_followed(const struct tcp_sock *tp)
{
	struct tcp_settings *settings;
	__u32 key = 0;

	settings = bpf_map_lookup_elem(&tcp_settings, &key);
	if (!settings || !settings->by_events)
		return false;
	return BPF_CORE_READ(tp, bpf_sock_ops_cb_flags) & BPF_SOCK_OPS_STATE_CB_FLAG;
}

SEC("raw_tp/inet_sock_set_state")
int on_set_state(struct bpf_raw_tracepoint_args *ctx)
{
	const struct sock *sk = (const void *)ctx->args[0];
	int from = (int)ctx->args[1], to = (int)ctx->args[2];
	const struct tcp_sock *tp = (const void *)sk;
	__u32 ip_family = TCP_IPV4;
	struct in6_addr dst = {};

	if (from == to || (to != TCP_ESTABLISHED && to != TCP_CLOSE))
		return 0;
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP || is_followed(tp))
		return 0;
	/* The member exists only in kernels with IPv6. */
	if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr) &&
	    BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
		bpf_core_read(&dst, sizeof(dst), &sk->__sk_common.skc_v6_daddr);
		if (!is_v4_mapped(dst.in6_u.u6_addr32[0], dst.in6_u.u6_addr32[1],
				  dst.in6_u.u6_addr32[2]))
			ip_family = TCP_IPV6;
	}
	count_change(from, to, ip_family, BPF_CORE_READ(sk, sk_err), BPF_CORE_READ(tp, segs_out));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_older: puts the sockets that are older than the attachment into tcp_sockets. An
 * iterator that attach.sh reads once in each network namespace.
 */
#include "tcp_metrics.bpf.h"
#include "tcp_sockets.bpf.h"

/* When they began is not known, and what they have carried so far is not counted. */
SEC("iter/tcp")
int on_read_older(struct bpf_iter__tcp *ctx)
{
	struct known_socket known = { .direction = TCP_UNKNOWN };
	struct sock_common *skc = ctx->sk_common;
	struct tcp_sock *tp;

	/* Half-open requests and TIME_WAIT sockets are no full sockets. */
	if (!skc)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	known.sent = tp->bytes_sent - tp->bytes_retrans;
	known.received = tp->bytes_received;
	known.retransmitted = tp->total_retrans;
	put_older_socket(cookie_bits(bpf_get_socket_cookie(tp)), tp, &known);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

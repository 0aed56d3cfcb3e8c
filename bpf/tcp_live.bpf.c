// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_live: gives the sockets of this moment on demand.
 *
 * A BPF iterator runs when its pin is read, with the kernel's rights: an unprivileged
 * reader gets these numbers and nothing else. It runs once for each reading and covers all
 * network namespaces. A reading also changes counters: it adds what each connection has
 * carried since it was last counted, and frees the slots of cgroups that are gone. For
 * kernels that refuse a part of this there are variants without it (bpf/variants).
 */
#ifndef WITHOUT_CGROUPS
#include "tcp_cgroups_tidy.bpf.h"
#endif
#include "tcp_monitor.bpf.h"
#ifndef WITHOUT_TIME_WAIT
#include "tcp_time_wait.bpf.h"
#endif
#include "tracker_metrics.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCP_READERS_ENTRIES);
	__type(key, __u32);
	__type(value, __u64);
} tcp_readers SEC(".maps");

struct walk {
	struct tcp_live live;
	bool counting; /* this reader is the one that counts and tidies */
};

/* slot_of_cgroup() for a socket whose memory may be another's by now: it adds no cgroup. */
static __always_inline __u32 slot_again(struct sock *sk)
{
	__u64 id = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	struct tcp_cgroup_place *found = bpf_map_lookup_elem(&tcp_cgroup_index, &id);

	return found ? found->place : 0;
}

/*
 * Count what a connection carried since the last time, into the half that is not active,
 * and then make that half active. This fails if the slot has changed since it was read, as
 * when the socket has closed: then what it carried has been counted there.
 */
static __always_inline void count_as_it_goes(struct tcp_metrics *m, struct tcp_socket_group *group,
					     __u32 i, __u64 word, struct sock *sk, __u64 sent,
					     __u64 received, __u32 retransmitted)
{
	struct tcp_socket *socket = &group->sockets[i];
	__u32 side = word >> 63;
	struct known_socket known = {
		.sent = socket->sent[side],
		.received = socket->received[side],
		.retransmitted = socket->retransmitted[side],
		.direction = socket->direction,
	};

	if ((__s64)(sent - known.sent) < 0)
		sent = known.sent;
	if ((__s64)(received - known.received) < 0)
		received = known.received;
	if ((__s32)(retransmitted - known.retransmitted) < 0)
		retransmitted = known.retransmitted;
	if (sent == known.sent && received == known.received &&
	    retransmitted == known.retransmitted)
		return;
	side = !side;
	socket->sent[side] = sent;
	socket->received[side] = received;
	socket->retransmitted[side] = retransmitted;
	if (__sync_val_compare_and_swap(&group->words[i], word, word ^ TCP_COOKIE_SIDE) == word)
		count_traffic(m, slot_again(sk), &known, sent, received, retransmitted);
}

static __always_inline void read_socket(struct walk *walk, struct tcp_metrics *m,
					struct tcp_socket_group *group, __u32 i)
{
	__u64 word = group->words[i], cookie;
	struct inet_connection_sock *icsk;
	struct tcp_sock *tp;
	struct sock *sk;
	__u64 sent, received;
	__u32 state, retransmitted;

	if (!(word & ~TCP_COOKIE_SIDE) || word & TCP_COOKIE_CLOSED)
		return;
	/* Read again with a barrier, so that what follows is of the same socket. */
	word = load_acquire(&group->words[i]);
	cookie = cookie_bits(word);
	if (!cookie || word & (TCP_COOKIE_BUSY | TCP_COOKIE_CLOSED))
		return;
	sk = (void *)group->sockets[i].sk;
	tp = (void *)sk;
	icsk = (void *)sk;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	/* In this order, because a retransmission adds to bytes_retrans before bytes_sent. */
	sent = BPF_CORE_READ(tp, bytes_sent);
	sent -= BPF_CORE_READ(tp, bytes_retrans);
	received = BPF_CORE_READ(tp, bytes_received);
	retransmitted = BPF_CORE_READ(tp, total_retrans);
	/*
	 * The memory may be another socket's by now if a change was missed; then the slot
	 * is freed. The kernel never gives out a cookie twice.
	 */
	if (cookie_bits(BPF_CORE_READ(sk, __sk_common.skc_cookie.counter)) != cookie) {
		__sync_val_compare_and_swap(&group->words[i], word, word & TCP_COOKIE_SIDE);
		return;
	}
	/* A child of Fast Open is in its listener's queue, which is counted below. */
	if (state < TCP_STATES &&
	    (state != TCP_SYN_RECV || group->sockets[i].direction != TCP_PASSIVE))
		walk->live.states[state]++;
	if (state == TCP_LISTEN) {
		walk->live.requests += BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter);
		/* With Fast Open a full socket exists before the handshake is complete. */
		walk->live.states[TCP_SYN_RECV] +=
			BPF_CORE_READ(icsk, icsk_accept_queue.fastopenq.qlen);
		return;
	}
	/* The last byte may be a FIN; whether it is can be told when the socket closes. */
	if (walk->counting)
		count_as_it_goes(m, group, i, word, sk, sent, received ? received - 1 : 0,
				 retransmitted);
}

static long read_group(__u32 index, struct walk *walk)
{
	struct tcp_socket_group *group = bpf_map_lookup_elem(&tcp_sockets, &index);
	struct tcp_metrics *m = metrics();

	if (!group || !m)
		return 1;
	for (__u32 i = 0; i < TCP_SOCKETS_GROUP; i++)
		read_socket(walk, m, group, i);
	return 0;
}

static __always_inline void read_capacity(struct tcp_live *live)
{
	struct tcp_settings *settings;
	struct tcp_cgroups *all = cgroups();
	__u32 key = 0;

	settings = bpf_map_lookup_elem(&tcp_settings, &key);
	if (settings)
		live->cgroup_series = settings->cgroup_series;
	if (all)
		live->cgroups_used = all->used;
}

/*
 * An iterator over the BPF programs of the host. There is at least this one, and it acts at
 * the first one only, so it acts once for each reading. Some kernels refuse the iterators
 * that would fit better, those over the elements of a map.
 */
SEC("iter/bpf_prog")
int on_read_sockets(struct bpf_iter__bpf_prog *ctx)
{
	const struct bpf_map *map = (const void *)&tcp_sockets;
	struct walk walk = {};
	__u64 *busy;
	__u32 key = 0;

	if (!ctx->prog || ctx->meta->seq_num)
		return 0;
	busy = bpf_map_lookup_elem(&tcp_readers, &key);
	if (!busy)
		return 0;
	walk.counting = __sync_val_compare_and_swap(busy, 0, 1) == 0;
	bpf_loop(map->max_entries, read_group, &walk, 0);
	if (walk.counting) {
#ifndef WITHOUT_CGROUPS
		tidy_cgroups();
#endif
		__sync_lock_test_and_set(busy, 0);
	}
#ifndef WITHOUT_TIME_WAIT
	read_time_wait(&walk.live);
#endif
	walk.live.sockets_capacity = (__u64)map->max_entries * TCP_SOCKETS_GROUP;
	read_capacity(&walk.live);
	bpf_seq_write(ctx->meta->seq, &walk.live, sizeof(walk.live));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_live: gives the sockets of this moment on demand.
 *
 * A BPF iterator runs when its pin is read, with the kernel's rights: an unprivileged
 * reader gets these numbers and nothing else. It runs once for each reading and covers all
 * network namespaces. A reading also changes counters: it adds what each connection has
 * carried since it was last counted, and frees the slots of cgroups that are gone.
 */
#include "tcp_monitor.bpf.h"
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
	if (state < TCP_STATES)
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

/* --- cgroups --------------------------------------------------------------- */

struct merging {
	__u32 slot; /* the slot whose counts move */
	__u32 to;
};

/* Move all counts of a slot, on one CPU, to another slot. */
static __always_inline void merge_slot(struct tcp_cgroup_metrics *m, __u32 slot, __u32 other)
{
	struct tcp_cgroup_counters *from, *to;

	if (slot > TCP_CGROUPS_MAX || other > TCP_CGROUPS_MAX)
		return;
	from = &m->places[slot];
	to = &m->places[other];
	/* Added there before they are cleared here, so that no reader misses a count. */
	add(&to->active, from->active);
	add(&to->passive, from->passive);
	add(&to->failed, from->failed);
	add(&to->sent, from->sent);
	add(&to->received, from->received);
	from->active = from->passive = from->failed = from->sent = from->received = 0;
}

static long merge_cpu(__u32 cpu, struct merging *merging)
{
	struct tcp_cgroup_metrics *m;
	__u32 key = 0;

	m = bpf_map_lookup_percpu_elem(&tcp_cgroup_metrics, &key, cpu);
	if (!m)
		return 1;
	merge_slot(m, merging->slot, merging->to);
	return 0;
}

/*
 * Equal hashes are not enough: a user who may create cgroups can find a name with the hash
 * of another.
 */
static __always_inline bool have_same_path(const struct tcp_cgroup *a, const struct tcp_cgroup *b)
{
	const __u32 *of_a = (const void *)a->path, *of_b = (const void *)b->path;

	for (__u32 i = 0; i < PATH_WORDS; i++)
		if (of_a[i] != of_b[i])
			return false;
	return true;
}

/* Whether the cgroup at INDEX has the path of the one that is leaving. */
static long is_namesake(__u32 index, struct merging *merging)
{
	struct tcp_cgroups *all = cgroups();
	__u32 slot = index + 1, from = merging->slot;
	struct tcp_cgroup *a, *b;

	if (!all || slot > TCP_CGROUPS_MAX || from > TCP_CGROUPS_MAX)
		return 1;
	a = &all->places[slot];
	b = &all->places[from];
	if (slot == from || a->state != TCP_CGROUP_USED || !a->path_hash ||
	    a->path_hash != b->path_hash || a->truncated || b->truncated || !have_same_path(a, b))
		return 0;
	merging->to = slot;
	return 1;
}

/* The memory at ADDRESS may be anything by now; then the id differs or it is not online. */
static __always_inline bool is_online(__u64 address, __u64 id)
{
	struct cgroup *cgroup = (void *)address;

	return BPF_CORE_READ(cgroup, kn, id) == id &&
	       BPF_CORE_READ(cgroup, self.flags) & CSS_ONLINE;
}

static __always_inline bool is_there(__u64 id)
{
	struct tcp_cgroup_place *found = bpf_map_lookup_elem(&tcp_cgroup_index, &id);

	return found && is_online(found->cgroup, id);
}

static __always_inline void return_share(__u64 subtree)
{
	struct tcp_cgroup_share *share;

	share = subtree ? bpf_map_lookup_elem(&tcp_cgroup_shares, &subtree) : NULL;
	if (share)
		__sync_fetch_and_add(&share->places, -1);
}

/* A subtree that has no slot and is gone, so that it can't get one meanwhile. */
static long find_left_share(struct bpf_map *map, __u64 *subtree, struct tcp_cgroup_share *share,
			    __u64 *left)
{
	if (share->places || is_online(share->cgroup, *subtree))
		return 0;
	*left = *subtree;
	return 1;
}

struct tidying {
	__u64 now;
	__u64 linger;
};

#define CPUS_MAX 8192
#define GRACE_NS 1000000000ull /* a program that had found the slot has counted by then */

/*
 * A cgroup that is gone keeps its slot for a while, so that its last counts can be read.
 * Then it is taken out of the index, and a later reading moves its counts: to the cgroup
 * that has its path now, as after a service restart, or else to slot 0.
 */
static long tidy_slot(__u32 index, struct tidying *tidying)
{
	struct tcp_cgroups *all = cgroups();
	struct merging merging = {};
	struct tcp_cgroup *cgroup;
	__u32 slot = index + 1;
	__u64 id;

	if (!all || slot > TCP_CGROUPS_MAX)
		return 1;
	cgroup = &all->places[slot];
	id = cgroup->id;
	if (cgroup->state == TCP_CGROUP_USED) {
		if (is_there(id)) {
			cgroup->gone_ns = 0;
		} else if (!cgroup->gone_ns) {
			cgroup->gone_ns = tidying->now;
		} else if (tidying->now - cgroup->gone_ns > tidying->linger) {
			bpf_map_delete_elem(&tcp_cgroup_index, &id);
			cgroup->id = 0;
			cgroup->gone_ns = tidying->now;
			cgroup->state = TCP_CGROUP_LEAVING;
		}
	} else if (cgroup->state == TCP_CGROUP_LEAVING &&
		   tidying->now - cgroup->gone_ns > GRACE_NS) {
		merging.slot = slot;
		bpf_loop(TCP_CGROUPS_MAX, is_namesake, &merging, 0);
		bpf_loop(CPUS_MAX, merge_cpu, &merging, 0);
		__sync_fetch_and_add(&all->used, -1);
		return_share(cgroup->subtree);
		__sync_lock_test_and_set(&cgroup->state, TCP_CGROUP_FREE);
	}
	return 0;
}

static __always_inline void tidy_cgroups(void)
{
	struct tidying tidying = { .now = bpf_ktime_get_ns() };
	struct tcp_settings *settings;
	__u64 left = 0;
	__u32 key = 0;

	settings = bpf_map_lookup_elem(&tcp_settings, &key);
	if (!settings)
		return;
	tidying.linger = settings->cgroup_linger * 1000000000ull;
	bpf_loop(TCP_CGROUPS_MAX, tidy_slot, &tidying, 0);
	/*
	 * One for each reading is enough: each had a slot, and a slot lasts longer than a
	 * reading.
	 */
	bpf_for_each_map_elem(&tcp_cgroup_shares, find_left_share, &left, 0);
	if (left)
		bpf_map_delete_elem(&tcp_cgroup_shares, &left);
}

/* --- network namespaces ---------------------------------------------------- */

struct namespaces {
	struct list_head *first, *next;
	const void *ops;
	__u64 time_wait;
};

/* From 5.18 to 6.0 the member is a pointer; before that, the count has no offset of 1. */
struct netns_ipv4___apart {
	struct inet_timewait_death_row *tcp_death_row;
} __attribute__((preserve_access_index));

struct inet_timewait_death_row___from_0 {
	atomic_t tw_count;
} __attribute__((preserve_access_index));

static __always_inline __u64 time_wait_of(struct net *net)
{
	struct netns_ipv4___apart *ipv4 = (void *)&net->ipv4;
	struct inet_timewait_death_row___from_0 *from_0;
	struct inet_timewait_death_row *row;

	if (bpf_core_field_exists(ipv4->tcp_death_row))
		row = BPF_CORE_READ(ipv4, tcp_death_row);
	else
		row = &net->ipv4.tcp_death_row;
	from_0 = (void *)row;
	if (bpf_core_field_exists(from_0->tw_count))
		return BPF_CORE_READ(from_0, tw_count.counter);
	return BPF_CORE_READ(row, tw_refcount.refs.counter) - 1;
}

/* The list is a ring of all namespaces and its head, which has no operations. */
static long read_namespace(__u32 index, struct namespaces *all)
{
	struct list_head *here = all->next;
	struct net *net = (void *)((char *)here - bpf_core_field_offset(struct net, list));

	if (BPF_CORE_READ(net, ns.ops) == all->ops)
		all->time_wait += time_wait_of(net);
	here = BPF_CORE_READ(here, next);
	all->next = here;
	return !here || here == all->first;
}

#define NAMESPACES_MAX 65536

static __always_inline void read_time_wait(struct tcp_live *live)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct net *net = BPF_CORE_READ(task, nsproxy, net_ns);
	struct namespaces all = {
		.first = (void *)((char *)net + bpf_core_field_offset(struct net, list)),
		.ops = BPF_CORE_READ(net, ns.ops),
	};

	all.next = all.first;
	bpf_loop(NAMESPACES_MAX, read_namespace, &all, 0);
	live->states[TCP_TIME_WAIT] = all.time_wait;
	live->all_namespaces = all.next == all.first;
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
		tidy_cgroups();
		__sync_lock_test_and_set(busy, 0);
	}
	read_time_wait(&walk.live);
	walk.live.sockets_capacity = (__u64)map->max_entries * TCP_SOCKETS_GROUP;
	read_capacity(&walk.live);
	bpf_seq_write(ctx->meta->seq, &walk.live, sizeof(walk.live));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

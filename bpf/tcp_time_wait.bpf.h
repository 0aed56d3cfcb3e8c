/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counts the connections in TIME_WAIT, which have no socket any more: the kernel keeps their
 * number for each network namespace. BPF side only; a part of tcp_live.
 */
#ifndef CONNPIN_TCP_TIME_WAIT_BPF_H
#define CONNPIN_TCP_TIME_WAIT_BPF_H

#include "kernel.h"
#include "tcp_monitor.h"

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

#endif

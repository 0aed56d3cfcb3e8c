/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The connection table as the programs write it: the maps, and how an entry is
 * recorded. BPF side only.
 */
#ifndef CONNPIN_PORT_TRACKER_BPF_H
#define CONNPIN_PORT_TRACKER_BPF_H

#include "address.bpf.h"
#include "port_tracker.h"
#include "tracker_metrics.bpf.h"

#ifndef PID_ONLY
#include "identity.bpf.h"
#endif

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONN_V4_ENTRIES);
	__type(key, struct conn_key_v4);
	__type(value, conn_pid);
} conn_to_pid_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONN_V6_ENTRIES);
	__type(key, struct conn_key_v6);
	__type(value, conn_pid);
} conn_to_pid_v6 SEC(".maps");

#ifdef PID_ONLY
/*
 * The variant without identities, for kernels that lack what those take, and for those
 * that do not let BPF read kernel memory (lockdown=confidentiality): there a task may be
 * looked at through its type, which Linux 5.10 can't.
 */
static __always_inline conn_pid current_pid(void)
{
	struct task_struct *task;
	unsigned int flags;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
		task = bpf_get_current_task_btf();
		return task->flags & PF_KTHREAD ? 0 : task->tgid;
	}
	task = (void *)bpf_get_current_task();
	flags = BPF_CORE_READ(task, flags);
	return flags & PF_KTHREAD ? 0 : BPF_CORE_READ(task, tgid);
}

static __always_inline __u32 netns_of(const struct sock *sk)
{
	return 0;
}

static __always_inline int identify(const struct conn_key_v6 *key, __u32 netns, bool new)
{
	return 0;
}
#else
/*
 * The process, in the initial PID namespace; 0 for a kernel thread. Read from the
 * task, because sock_ops has no bpf_get_current_pid_tgid before 6.10.
 */
static __always_inline conn_pid current_pid(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return task->flags & PF_KTHREAD ? 0 : task->tgid;
}

/* The inode number of a socket's network namespace. */
static __always_inline __u32 netns_of(const struct sock *sk)
{
	return sk->__sk_common.skc_net.net->ns.inum;
}
#endif

/*
 * Writes only when something changed. A rewrite of an existing key takes a
 * fresh element from the LRU, and when that is full throws others out; the
 * look-up that avoids it also costs less than half as much. Not in place: the element
 * may have gone to another key since the look-up. 0: written; -EEXIST: nothing had
 * changed; else the kernel's refusal.
 */
static __always_inline long record(void *map, const void *key, conn_pid pid)
{
	conn_pid *known = bpf_map_lookup_elem(map, key);

	if (known && *known == pid)
		return -EEXIST;
	return bpf_map_update_elem(map, key, &pid, BPF_ANY);
}

static __always_inline void record_v4(__u32 dst_ip, __u16 src_port, __u16 dst_port, __u8 protocol,
				      __u32 netns)
{
	struct conn_key_v4 key = {
		.dst_ip = dst_ip,
		.src_port = src_port,
		.dst_port = dst_port,
		.protocol = protocol,
	};
	struct conn_key_v6 mapped = {
		.dst_ip = { 0, 0, bpf_htonl(0xffff), dst_ip },
		.src_port = src_port,
		.dst_port = dst_port,
		.protocol = protocol,
	};
	conn_pid pid = current_pid();
	long rc;

	if (!pid)
		return;
	rc = record(&conn_to_pid_v4, &key, pid);
	/* A connect is another connection each time, a datagram another of the same. */
	identify(&mapped, netns, rc != -EEXIST || protocol == IPPROTO_TCP);
	if (rc == -EEXIST)
		return;
	if (rc)
		COUNT_TRACKER(dropped_v4);
	else if (protocol == IPPROTO_TCP)
		COUNT_TRACKER(recorded_tcp_v4);
	else
		COUNT_TRACKER(recorded_udp_v4);
}

static __always_inline void record_v6(__u32 dst0, __u32 dst1, __u32 dst2, __u32 dst3,
				      __u16 src_port, __u16 dst_port, __u8 protocol, __u32 netns)
{
	struct conn_key_v6 key = {
		.dst_ip = { dst0, dst1, dst2, dst3 },
		.src_port = src_port,
		.dst_port = dst_port,
		.protocol = protocol,
	};
	conn_pid pid = current_pid();
	long rc;

	if (!pid)
		return;
	rc = record(&conn_to_pid_v6, &key, pid);
	identify(&key, netns, rc != -EEXIST || protocol == IPPROTO_TCP);
	if (rc == -EEXIST)
		return;
	if (rc)
		COUNT_TRACKER(dropped_v6);
	else if (protocol == IPPROTO_TCP)
		COUNT_TRACKER(recorded_tcp_v6);
	else
		COUNT_TRACKER(recorded_udp_v6);
}

#endif

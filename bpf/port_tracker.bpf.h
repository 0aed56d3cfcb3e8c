/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The connection table as the programs write it: the maps, and how an entry is recorded.
 * BPF side only.
 */
#ifndef CONNPIN_PORT_TRACKER_BPF_H
#define CONNPIN_PORT_TRACKER_BPF_H

#include "address.bpf.h"
#include "opened.bpf.h"
#include "port_tracker.h"
#include "tracker_metrics.bpf.h"

#ifndef PID_ONLY
#include "identity.bpf.h"
#include "udp_asked.bpf.h"
#include "udp_known.bpf.h"
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
 * The PID-only variant. It is for kernels without the features that identities need, and
 * for those that do not let BPF read kernel memory (lockdown=confidentiality): there BPF
 * may read a task only through its BTF type, which Linux 5.10 can't.
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
#else
/*
 * The PID of the process, in the initial PID namespace; 0 for a kernel thread. It is read
 * from the task, because sock_ops has no bpf_get_current_pid_tgid() before 6.10.
 */
static __always_inline conn_pid current_pid(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return task->flags & PF_KTHREAD ? 0 : task->tgid;
}
#endif

/*
 * Whether OPENED, sent by the socket of SENDER, is a reply; SENDER is NULL where it can't
 * be one.
 */
static __always_inline bool is_reply(const struct opened *opened, struct bpf_sock_addr *sender)
{
#ifndef PID_ONLY
	return sender && was_asked(opened->cookie, &opened->key);
#else
	return false;
#endif
}

/*
 * Write an entry if something changed. Rewriting an existing key would take a new element
 * from the LRU list, and in a full map evict others; the look-up that avoids this also
 * costs less than half as much. The value is not changed in place, because the element may
 * have been given to another key since the look-up. Without a PID, the entry of an earlier
 * owner is deleted, since the connection is no longer that process's. A reply gets no entry
 * of its own, but replaces that of an earlier owner. Returns 0: written; -EEXIST: nothing
 * changed; any other error: the kernel refused.
 */
static __always_inline long record(void *map, const void *key, conn_pid pid, struct opened *opened,
				   struct bpf_sock_addr *sender)
{
	conn_pid *known = bpf_map_lookup_elem(map, key);

	if (pid ? known && *known == pid : !known)
		return -EEXIST;
	if (!known && is_reply(opened, sender)) {
		opened->is_reply = 1;
		return -EEXIST;
	}
	if (pid)
		return bpf_map_update_elem(map, key, &pid, BPF_ANY);
	bpf_map_delete_elem(map, key);
	return -EEXIST;
}

static __always_inline void expect_record(struct opened *opened)
{
#ifndef PID_ONLY
	expect_identity(opened);
#endif
}

/* Record the owner beyond the PID; the PID-only variant does not. */
static __always_inline void record_identity(struct opened *opened, conn_pid pid, long rc)
{
#ifndef PID_ONLY
	/* Each connect is a new connection; a datagram may belong to a recorded one. */
	opened->is_again = rc == -EEXIST && opened->key.protocol == IPPROTO_UDP;
	opened->of_nobody = !pid;
	identify_process(opened);
	if (opened->key.protocol == IPPROTO_UDP)
		keep_place(opened);
#endif
}

static __always_inline struct conn_key_v4 key_v4(const struct opened *opened)
{
	return (struct conn_key_v4) {
		.dst_ip = opened->key.dst_ip[3],
		.src_port = opened->key.src_port,
		.dst_port = opened->key.dst_port,
		.protocol = opened->key.protocol,
	};
}

/*
 * Record the current process as the owner of OPENED, or no process for a kernel thread or
 * with of_nobody. The destination of OPENED is IPv4-mapped; record_v6() takes all others.
 * SENDER is the context of a datagram whose socket may be a server's, or NULL.
 */
static __always_inline void record_v4(struct opened *opened, struct bpf_sock_addr *sender)
{
	conn_pid pid = opened->of_nobody ? 0 : current_pid();
	struct conn_key_v4 key = key_v4(opened);
	long rc;

	expect_record(opened);
	rc = record(&conn_to_pid_v4, &key, pid, opened, sender);
	record_identity(opened, pid, rc);
	if (rc == -EEXIST)
		return;
	if (rc)
		COUNT_TRACKER(dropped_v4);
	else if (key.protocol == IPPROTO_TCP)
		COUNT_TRACKER(recorded_tcp_v4);
	else
		COUNT_TRACKER(recorded_udp_v4);
}

static __always_inline void record_v6(struct opened *opened, struct bpf_sock_addr *sender)
{
	conn_pid pid = opened->of_nobody ? 0 : current_pid();
	long rc;

	expect_record(opened);
	rc = record(&conn_to_pid_v6, &opened->key, pid, opened, sender);
	record_identity(opened, pid, rc);
	if (rc == -EEXIST)
		return;
	if (rc)
		COUNT_TRACKER(dropped_v6);
	else if (opened->key.protocol == IPPROTO_TCP)
		COUNT_TRACKER(recorded_tcp_v6);
	else
		COUNT_TRACKER(recorded_udp_v6);
}

/* Record OPENED, of either family, which is no reply. */
static __always_inline void record_either(struct opened *opened)
{
	if (is_v4_mapped(opened->key.dst_ip[0], opened->key.dst_ip[1], opened->key.dst_ip[2]))
		record_v4(opened, NULL);
	else
		record_v6(opened, NULL);
}

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * Loads where a program of a cgroup can tell more of a process than its number: the
 * task as a pointer (Linux 5.11), memory of the kernel (not with lockdown=confidentiality),
 * and a record written by one CPU at a time (compare and exchange, 5.12).
 */
#include "kernel.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} record SEC(".maps");

SEC("sockops")
int probe(struct bpf_sock_ops *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 *value, start = 0;
	__u32 key = 0;

	value = bpf_map_lookup_elem(&record, &key);
	if (!value || bpf_probe_read_kernel(&start, sizeof(start), &task->group_leader))
		return 1;
	__sync_val_compare_and_swap(value, 0, start);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";

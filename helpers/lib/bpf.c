// SPDX-License-Identifier: MIT
#include "bpf.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	long rc = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return rc < 0 ? -errno : (int)rc;
}

static __u64 ptr(const void *p)
{
	return (__u64)(unsigned long)p;
}

int bpf_open_pin(const char *path, __u32 flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = ptr(path);
	attr.file_flags = flags;
	return sys_bpf(BPF_OBJ_GET, &attr);
}

int bpf_lookup(int map, const void *key, void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	attr.key = ptr(key);
	attr.value = ptr(value);
	return sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr);
}

int bpf_update(int map, const void *key, const void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	attr.key = ptr(key);
	attr.value = ptr(value);
	return sys_bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

int bpf_map_info(int map, struct bpf_map_info *info)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	memset(info, 0, sizeof(*info));
	attr.info.bpf_fd = map;
	attr.info.info_len = sizeof(*info);
	attr.info.info = ptr(info);
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

int bpf_program_info(int prog, struct bpf_prog_info *info, __u32 *maps, __u32 count)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	memset(info, 0, sizeof(*info));
	info->nr_map_ids = count;
	info->map_ids = ptr(maps);
	attr.info.bpf_fd = (__u32)prog;
	attr.info.info_len = sizeof(*info);
	attr.info.info = ptr(info);
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

int bpf_open_program(__u32 id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	return sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

bool bpf_refuses(__u32 type)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;
	int prog;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_TRACING;
	attr.expected_attach_type = type;
	attr.insns = ptr(insns);
	attr.insn_cnt = sizeof(insns) / sizeof(*insns);
	attr.license = ptr("GPL");
	prog = sys_bpf(BPF_PROG_LOAD, &attr);
	if (prog >= 0)
		close(prog);
	return prog == -EPERM;
}

int bpf_link_program(int link, __u32 *id)
{
	struct bpf_link_info info;
	union bpf_attr attr;
	int rc;

	memset(&attr, 0, sizeof(attr));
	memset(&info, 0, sizeof(info));
	attr.info.bpf_fd = (__u32)link;
	attr.info.info_len = sizeof(info);
	attr.info.info = ptr(&info);
	rc = sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
	*id = info.prog_id;
	return rc;
}

int bpf_lookup_batch(int map, const void *in, void *cursor, void *keys, void *values, __u32 *count)
{
	union bpf_attr attr;
	int rc;

	memset(&attr, 0, sizeof(attr));
	attr.batch.map_fd = map;
	attr.batch.in_batch = ptr(in);
	attr.batch.out_batch = ptr(cursor);
	attr.batch.keys = ptr(keys);
	attr.batch.values = ptr(values);
	attr.batch.count = *count;
	rc = sys_bpf(BPF_MAP_LOOKUP_BATCH, &attr);
	*count = attr.batch.count;
	return rc;
}

__u32 bpf_map_entries(int map)
{
	struct bpf_map_info info;
	union bpf_attr attr;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (__u32)map;
	attr.info.info_len = sizeof(info);
	attr.info.info = ptr(&info);
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) ? 0 : info.max_entries;
}

int bpf_attach_raw(int prog, const char *name)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.raw_tracepoint.name = ptr(name);
	attr.raw_tracepoint.prog_fd = (__u32)prog;
	return sys_bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

int bpf_attach_tracing(int prog)
{
	/* Without a name the kernel takes the one that the program was loaded for. */
	return bpf_attach_raw(prog, NULL);
}

int bpf_attach_tracepoint(int prog, __u64 id)
{
	struct perf_event_attr event;
	union bpf_attr attr;
	long fd;
	int rc;

	memset(&event, 0, sizeof(event));
	event.type = PERF_TYPE_TRACEPOINT;
	event.size = sizeof(event);
	event.config = id;
	/* The CPU does not matter: a program at a tracepoint runs on all of them. */
	fd = syscall(SYS_perf_event_open, &event, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (__u32)prog;
	attr.link_create.target_fd = (__u32)fd;
	attr.link_create.attach_type = BPF_PERF_EVENT;
	rc = sys_bpf(BPF_LINK_CREATE, &attr);
	close((int)fd);
	return rc;
}

int bpf_attach_iterator(int prog)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = prog;
	attr.link_create.attach_type = BPF_TRACE_ITER;
	return sys_bpf(BPF_LINK_CREATE, &attr);
}

int bpf_query_cgroup(int cgroup, __u32 type, __u32 *flags, __u32 *ids, __u32 *count)
{
	union bpf_attr attr;
	int rc;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = cgroup;
	attr.query.attach_type = type;
	attr.query.prog_ids = ptr(ids);
	attr.query.prog_cnt = *count;
	rc = sys_bpf(BPF_PROG_QUERY, &attr);
	*flags = attr.query.attach_flags;
	*count = attr.query.prog_cnt;
	return rc;
}

int bpf_pin(int fd, const char *path)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = ptr(path);
	attr.bpf_fd = fd;
	return sys_bpf(BPF_OBJ_PIN, &attr);
}

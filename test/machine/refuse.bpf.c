// SPDX-License-Identifier: GPL-2.0
/*
 * refuse: a security module that refuses the calls of bpf(2) that a map names.
 *
 * By the hook "bpf", which every such call passes before the kernel looks at it. Its
 * first three arguments are the same from Linux 5.7 to 7.3. Those of bpf_prog_load are
 * not, and before 6.9 its place is taken by bpf_prog_alloc, which sees no attributes.
 *
 * What has no name is left alone: libbpf tries what the kernel can with programs and
 * maps that have none, and a refusal there makes it do something else. With the type
 * "tracepoint" refused to it as well, for instance, it takes bpf_probe_read_kernel() for
 * missing and calls bpf_probe_read() in its place, in programs of every type; no program
 * for cgroups has that.
 */
#include "kernel.h"

#define ANY (~0U)
#define RULES 8
#define CALL 0x85 /* BPF_JMP | BPF_CALL */
#define EPERM 1
#define MAX_ERRNO 4095 /* the verifier lets such a program answer no other number */

struct rule {
	__s32 error;	   /* the answer, -errno; 0: no rule */
	__u32 command;	   /* enum bpf_cmd */
	__u32 type;	   /* of the program or map, or ANY */
	__u32 attach_type; /* enum bpf_attach_type, or ANY */
	__u32 helper;	   /* only programs that call it: enum bpf_func_id; or ANY */
	__u32 unnamed_as_well;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RULES);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

/* How often each rule refused. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RULES);
	__type(key, __u32);
	__type(value, __u32);
} refused SEC(".maps");

struct search {
	__u64 instructions; /* in the memory of the caller */
	__u32 helper;
	__u32 found;
};

static long search_one(__u32 n, struct search *search)
{
	struct bpf_insn one = {};

	if (bpf_copy_from_user(&one, sizeof(one),
			       (void *)(search->instructions + (__u64)n * sizeof(one))))
		return 1;
	if (one.code != CALL || one.src_reg != 0 || (__u32)one.imm != search->helper)
		return 0;
	search->found = 1;
	return 1;
}

static bool calls(union bpf_attr *attr, __u32 helper)
{
	struct search search = {
		.instructions = attr->insns,
		.helper = helper,
	};

	bpf_loop(attr->insn_cnt, search_one, &search, 0);
	return search.found;
}

static bool matches(const struct rule *rule, int command, union bpf_attr *attr)
{
	__u32 type = ANY, attach_type = ANY;
	bool named = true;

	if (rule->command != (__u32)command)
		return false;
	switch (command) {
	case BPF_MAP_CREATE:
		type = attr->map_type;
		named = attr->map_name[0];
		break;
	case BPF_PROG_LOAD:
		type = attr->prog_type;
		attach_type = attr->expected_attach_type;
		named = attr->prog_name[0];
		break;
	case BPF_PROG_ATTACH:
		attach_type = attr->attach_type;
		break;
	case BPF_LINK_CREATE:
		attach_type = attr->link_create.attach_type;
		break;
	}
	if (!named && !rule->unnamed_as_well)
		return false;
	if (rule->type != ANY && rule->type != type)
		return false;
	if (rule->attach_type != ANY && rule->attach_type != attach_type)
		return false;
	return rule->helper == ANY || (command == BPF_PROG_LOAD && calls(attr, rule->helper));
}

SEC("lsm.s/bpf")
long BPF_PROG(on_bpf_call, int command, union bpf_attr *attr, unsigned int size)
{
	long error;

	for (__u32 i = 0; i < RULES; i++) {
		__u32 key = i, *count;
		struct rule *rule = bpf_map_lookup_elem(&rules, &key);

		if (!rule || rule->error >= 0 || !matches(rule, command, attr))
			continue;
		count = bpf_map_lookup_elem(&refused, &key);
		if (count)
			__sync_fetch_and_add(count, 1);
		error = rule->error;
		/* Compared as 64 bits, which is what the verifier looks at. */
		barrier_var(error);
		return error >= -MAX_ERRNO && error < 0 ? error : -EPERM;
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

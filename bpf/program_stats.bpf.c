// SPDX-License-Identifier: GPL-2.0
/*
 * program_stats: how often connpin's own programs ran, for how long, and how often the
 * kernel skipped them.
 *
 * "bpftool prog show" tells root the same. An unprivileged reader can't be allowed to open
 * the pin of a program, because that would allow attaching it; an iterator needs no such
 * right.
 */
#include "other_counts.bpf.h"
#include "program_stats.h"
#include "tcp_metrics.bpf.h"
#include "tcp_sockets.bpf.h"
#include "tracker_metrics.bpf.h"
#include "udp_asked.bpf.h"

#define PROGRAM_MAPS_MAX 64   /* the most maps of a program: MAX_USED_MAPS */
#define PROGRAM_CPUS_MAX 8192 /* the most that Linux supports, on x86 */

struct used_maps {
	struct bpf_map **maps;
	__u32 count;
	__u32 ids[5]; /* a program that uses one of these maps is ours */
	bool found;
};

static long is_our_map(__u32 index, struct used_maps *used)
{
	struct bpf_map *map;
	__u32 id;

	if (index >= used->count || bpf_probe_read_kernel(&map, sizeof(map), &used->maps[index]))
		return 1;
	id = BPF_CORE_READ(map, id);
	used->found = id == used->ids[0] || id == used->ids[1] || id == used->ids[2] ||
		      id == used->ids[3] || id == used->ids[4];
	return used->found;
}

struct sum_of_cpus {
	__u64 stats; /* the per-CPU pointer to the struct bpf_prog_stats of all CPUs */
	struct program_runs *runs;
};

static __always_inline __u64 read_u64_at(const void *address)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), address);
	return value;
}

static __always_inline __u64 read_u64(__u64 address)
{
	return read_u64_at((const void *)address);
}

/* POINTER as a number, because the verifier allows no arithmetic on the pointer itself. */
static __always_inline __u64 address_of(const void *pointer)
{
	return read_u64_at(&pointer);
}

/*
 * Set *OFFSET to the distance from a per-CPU pointer to the memory of CPU. It is measured
 * on an entry of a map, because the kernel's own table of these offsets can be found only
 * with CONFIG_KALLSYMS_ALL. False when there is no such CPU.
 */
static __always_inline bool offset_of_cpu(__u32 cpu, __u64 *offset)
{
	__u64 array = address_of(&tracker_metrics);
	__u32 key = 0;
	void *here;

	here = bpf_map_lookup_percpu_elem(&tracker_metrics, &key, cpu);
	if (!here)
		return false;
	*offset =
		address_of(here) - read_u64(array + bpf_core_field_offset(struct bpf_array, pptrs));
	return true;
}

static long add_cpu(__u32 cpu, struct sum_of_cpus *sum)
{
	__u64 stats;

	if (!offset_of_cpu(cpu, &stats))
		return 1;
	stats += sum->stats;
	sum->runs->runs += read_u64(stats + bpf_core_field_offset(struct bpf_prog_stats, cnt));
	sum->runs->run_ns += read_u64(stats + bpf_core_field_offset(struct bpf_prog_stats, nsecs));
	sum->runs->misses += read_u64(stats + bpf_core_field_offset(struct bpf_prog_stats, misses));
	return 0;
}

#define ID_OF(map) (((const struct bpf_map *)&(map))->id)

/* Each of our programs uses one of these maps, and no other program does. */
static __always_inline bool is_our_program(struct bpf_prog *prog)
{
	struct used_maps used = {
		.maps = BPF_CORE_READ(prog, aux, used_maps),
		.count = BPF_CORE_READ(prog, aux, used_map_cnt),
		.ids = { ID_OF(tracker_metrics), ID_OF(tcp_metrics), ID_OF(tcp_sockets),
			 ID_OF(other_socket_counts), ID_OF(udp_asked) },
	};

	bpf_loop(PROGRAM_MAPS_MAX, is_our_map, &used, 0);
	return used.found;
}

static __always_inline void read_program(struct seq_file *seq, struct bpf_prog *prog)
{
	struct program_runs runs = { .loaded_ns = prog->aux->load_time };
	struct sum_of_cpus sum = {
		.stats = (__u64)BPF_CORE_READ(prog, stats),
		.runs = &runs,
	};

	bpf_probe_read_kernel_str(runs.name, sizeof(runs.name), prog->aux->name);
	bpf_loop(PROGRAM_CPUS_MAX, add_cpu, &sum, 0);
	bpf_seq_write(seq, &runs, sizeof(runs));
}

/* Runs once for each program on the host, and once at the end without a program. */
SEC("iter/bpf_prog")
int on_read_programs(struct bpf_iter__bpf_prog *ctx)
{
	struct bpf_prog *prog = ctx->prog;

	if (prog && is_our_program(prog))
		read_program(ctx->meta->seq, prog);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

/* SPDX-License-Identifier: MIT */
/*
 * The few bpf(2) calls that the helpers make, without a library.
 *
 * Each returns 0, or a file descriptor where it opens or makes something, or -errno.
 * Attributes are laid out as <linux/bpf.h> says. The kernel refuses an attribute with a bit
 * that it does not know, so each call starts from zeroes.
 */
#ifndef CONNPIN_LIB_BPF_H
#define CONNPIN_LIB_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

/*
 * Open the map, program or link pinned at PATH. FLAGS are 0 or BPF_F_RDONLY, which lets
 * whoever may read the file open a map. Returns a descriptor, which is close-on-exec.
 */
int bpf_open_pin(const char *path, __u32 flags);

/* Copy the value of KEY: of a per-CPU map, those of all possible CPUs. -ENOENT: there is none. */
int bpf_lookup(int map, const void *key, void *value);

/* Put VALUE at KEY, whether or not there was one. */
int bpf_update(int map, const void *key, const void *value);

/* Fill in what the kernel tells of a map: sizes in bytes, capacity in entries, id. */
int bpf_map_info(int map, struct bpf_map_info *info);

/*
 * Fill in what the kernel tells of a program, and the ids of its maps, COUNT at most, at
 * MAPS. info->nr_map_ids is how many maps it has.
 */
int bpf_program_info(int prog, struct bpf_prog_info *info, __u32 *maps, __u32 count);

/* Open the program with this id, which takes CAP_SYS_ADMIN. Returns a descriptor. */
int bpf_open_program(__u32 id);

/*
 * Whether no tracing program of attach type TYPE (BPF_TRACE_*) is permitted here, as far as
 * that depends on the type alone, or on who asks. The kernel
 * is given one that names nothing to trace: where it permits the type it finds that invalid
 * (kernel/bpf/verifier.c: check_attach_btf_id()), so nothing is ever loaded.
 */
bool bpf_refuses(__u32 type);

/* Find the id of the program that a link attaches. */
int bpf_link_program(int link, __u32 *id);

/*
 * Copy up to *COUNT entries to KEYS and VALUES, and set *COUNT to how many these were.
 * CURSOR points to 8 bytes in which the kernel keeps where it is; IN is NULL for the first
 * call and CURSOR for the next ones. -ENOENT, with *COUNT set: these were the last. -ENOSPC:
 * *COUNT entries have no room for one bucket of the map.
 */
int bpf_lookup_batch(int map, const void *in, void *cursor, void *keys, void *values, __u32 *count);

/* Returns the capacity of a map in entries, or 0 when the kernel does not tell it. */
__u32 bpf_map_entries(int map);

/*
 * Attach a program to the function or tracepoint that it was loaded for (fentry, fexit,
 * tp_btf). Returns the descriptor of a link, as the next three do: the program is attached
 * until the link is closed and has no pin.
 */
int bpf_attach_tracing(int prog);

/* Attach a raw tracepoint program to the tracepoint of this name, or as above for NULL. */
int bpf_attach_raw(int prog, const char *name);

/* Attach a tracepoint program to the tracepoint with this id, which is that of tracefs. */
int bpf_attach_tracepoint(int prog, __u64 id);

/* Make an iterator of a program: whoever reads its pin runs the program. */
int bpf_attach_iterator(int prog);

/*
 * List the programs of attach type TYPE (BPF_CGROUP_*) at CGROUP, a descriptor of its
 * directory: their ids in the order in which they run, *COUNT at most, which becomes how many
 * these were, and the *FLAGS that they were attached with. -ENOSPC: there are more, and
 * *COUNT is how many.
 */
int bpf_query_cgroup(int cgroup, __u32 type, __u32 *flags, __u32 *ids, __u32 *count);

/* Pin a link, program or map at PATH, on a bpf file system. -EEXIST: something is there. */
int bpf_pin(int fd, const char *path);

#endif

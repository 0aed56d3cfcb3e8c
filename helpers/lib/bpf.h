/* SPDX-License-Identifier: MIT */
/*
 * The few bpf(2) calls that the helpers make, without a library.
 *
 * Each returns 0 (or a file descriptor) or -errno. Attribute layouts are those
 * of <linux/bpf.h>; the kernel refuses an attribute with a bit it does not know,
 * so each call starts from zeroes.
 */
#ifndef CONNPIN_LIB_BPF_H
#define CONNPIN_LIB_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>

/* Open any pin, with FLAGS 0 or BPF_F_RDONLY. */
int bpf_open_pin(const char *path, __u32 flags);

/* Copy the value of KEY. -ENOENT when there is none. */
int bpf_lookup(int map, const void *key, void *value);

/* Put VALUE at KEY, whatever was there. */
int bpf_update(int map, const void *key, const void *value);

/* What the kernel tells of a map: sizes, capacity, id. */
int bpf_map_info(int map, struct bpf_map_info *info);

/* What the kernel tells of a program, and the ids of its maps, COUNT at most. */
int bpf_program_info(int prog, struct bpf_prog_info *info, __u32 *maps, __u32 count);

/* The program with this id (takes CAP_SYS_ADMIN), and the one that a link is of. */
int bpf_open_program(__u32 id);
int bpf_link_program(int link, __u32 *id);

/*
 * Copy up to *COUNT entries. *CURSOR is 8 bytes of the kernel's, IN is NULL the
 * first time and CURSOR after. -ENOENT with *COUNT set: these were the last.
 */
int bpf_lookup_batch(int map, const void *in, void *cursor, void *keys, void *values, __u32 *count);

/* The capacity of a map, in entries; 0 when it can't be told. */
__u32 bpf_map_entries(int map);

/* Attach a loaded tracing program to the place it was loaded for; the link's descriptor. */
int bpf_attach_tracing(int prog);

/* Attach a loaded raw tracepoint program to the one with this name; the descriptor. */
int bpf_attach_raw(int prog, const char *name);

/* Attach a loaded tracepoint program to the tracepoint with this id; the descriptor. */
int bpf_attach_tracepoint(int prog, __u64 id);

/* Make an iterator of a loaded program. */
int bpf_attach_iterator(int prog);

/*
 * The ids of the programs of one attach type at a cgroup, *COUNT of them at most.
 * -ENOSPC with the real *COUNT when there are more.
 */
int bpf_query_cgroup(int cgroup, __u32 type, __u32 *flags, __u32 *ids, __u32 *count);

/* Pin a link, program or map. -EEXIST when PATH is taken. */
int bpf_pin(int fd, const char *path);

#endif

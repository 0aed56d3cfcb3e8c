// SPDX-License-Identifier: GPL-2.0
/*
 * held_other: an iterator that notes in other_sockets which of the recorded sockets are
 * closed. Readers of the map read it first, so a socket without that note is open. It
 * prints nothing.
 *
 * It iterates over the BPF programs of the host and acts at the first one only;
 * tcp_live.bpf.c says why.
 */
#include "other_sockets.bpf.h"

/* Record I of all. */
static long look_at_record(__u32 i, void *unused)
{
	__u32 index = i / OTHER_WAYS, way = i % OTHER_WAYS;
	struct other_bucket *bucket = bpf_map_lookup_elem(&other_sockets, &index);
	struct other_memory *memory = bpf_map_lookup_elem(&other_memory, &index);
	__u64 inode;

	if (!bucket || !memory)
		return 1;
	inode = bucket->way[way].inode;
	/*
	 * If another socket takes the record now, its inode number differs and the note is
	 * void.
	 */
	if (inode && bucket->closed[way] != inode && !(bucket->way[way].check & 1) &&
	    !is_open(memory->sock[way], inode))
		bucket->closed[way] = inode;
	return 0;
}

SEC("iter/bpf_prog")
int on_read_held(struct bpf_iter__bpf_prog *ctx)
{
	__u32 key = 0;

	/* This program counts nothing, but program_stats knows it as ours by that map. */
	if (!bpf_map_lookup_elem(&other_socket_counts, &key))
		return 0;
	if (ctx->prog && ctx->meta->seq_num == 0)
		bpf_loop(((struct bpf_map *)&other_sockets)->max_entries * OTHER_WAYS,
			 look_at_record, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

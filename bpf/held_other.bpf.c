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

static long look_at_bucket(__u32 index, void *unused)
{
	struct other_bucket *bucket = bpf_map_lookup_elem(&other_sockets, &index);
	struct other_memory *memory = bpf_map_lookup_elem(&other_memory, &index);
	__u64 inode;

	if (!bucket || !memory)
		return 1;
	for (__u32 i = 0; i < OTHER_WAYS; i++) {
		inode = bucket->way[i].inode;
		/*
		 * If another socket takes the record now, its inode number differs and the
		 * note is void.
		 */
		if (inode && bucket->closed[i] != inode && !(bucket->way[i].check & 1) &&
		    !is_open(memory->sock[i], inode))
			bucket->closed[i] = inode;
	}
	return 0;
}

SEC("iter/bpf_prog")
int on_read_held(struct bpf_iter__bpf_prog *ctx)
{
	if (ctx->prog && ctx->meta->seq_num == 0)
		bpf_loop(((struct bpf_map *)&other_sockets)->max_entries, look_at_bucket, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/*
 * held_other: notes which of the recorded sockets are closed. An iterator, which a reader
 * of the map reads just before: what it finds open then is held. It prints nothing.
 *
 * An iterator over all BPF programs that acts at the first: see tcp_live.bpf.c.
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
	/* Should the record be another's by now, the number is not that one's. */
	if (inode && bucket->closed[way] != inode && !(bucket->way[way].check & 1) &&
	    !is_open(memory->sock[way], inode))
		bucket->closed[way] = inode;
	return 0;
}

SEC("iter/bpf_prog")
int on_read_held(struct bpf_iter__bpf_prog *ctx)
{
	if (ctx->prog && ctx->meta->seq_num == 0)
		bpf_loop(((struct bpf_map *)&other_sockets)->max_entries * OTHER_WAYS,
			 look_at_record, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

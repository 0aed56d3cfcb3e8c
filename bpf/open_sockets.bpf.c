// SPDX-License-Identifier: GPL-2.0
/*
 * open_sockets: records the sockets that were open before the attachment, and which process
 * has each open. An iterator over the files of all tasks, which attach.sh reads once.
 *
 * It sees all network namespaces, and each process once, because threads share their files.
 * It runs in the reader, not in the process that it records. The programs that record new
 * connections are attached before it runs: what they have written is right, and it stays.
 *
 * If several processes have a socket open, the one that started first is recorded.
 */
#include "port_tracker.bpf.h"

#define OPENED_HERE 1 /* results of opened_by() */
#define OPENED_THERE 0

static __always_inline __s64 acknowledged_beyond_payload(const struct tcp_sock *tp)
{
	__u64 sent = tp->bytes_sent - tp->bytes_retrans;
	__u32 in_flight = tp->snd_nxt - tp->snd_una;

	return tp->bytes_acked + in_flight - sent;
}

/*
 * Which side opened an established connection, told by the number of acknowledged bytes
 * beyond the payload. On the side that opened it, the acknowledged SYN counts as a byte
 * (tcp_snd_una_update()); on the side that accepted it, the count begins after its SYN
 * (tcp_create_openreq_child()). A FIN counts as a byte on both. With any other difference
 * it can't be told, for example for a socket restored by TCP_REPAIR.
 */
static __always_inline __s64 opened_by(const struct tcp_sock *tp, __u8 state)
{
	__s64 first = acknowledged_beyond_payload(tp), again = acknowledged_beyond_payload(tp);

	/* Segments may be sent or acknowledged between the two readings. */
	if (first != again)
		return -1;
	if (state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING ||
	    state == TCP_LAST_ACK)
		first--;
	return first;
}

/* The direction bits of a TCP socket's kind, as far as they are known. */
static __always_inline __u8 kind_of(struct sock *sk, __u8 state)
{
	struct tcp_sock *tp;

	if (state == TCP_SYN_SENT)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return IDENTITY_NO_DIRECTION;
	switch (opened_by(tp, state)) {
	case OPENED_HERE:
		return 0;
	case OPENED_THERE:
		return IDENTITY_IN;
	}
	return IDENTITY_NO_DIRECTION;
}

/* The connection table gets what was opened here. An entry that exists is newer and stays. */
static __always_inline void note_pid(const struct opened *opened, conn_pid pid)
{
	const __u32 *ip = opened->key.dst_ip;
	struct conn_key_v4 key = {
		.dst_ip = ip[3],
		.src_port = opened->key.src_port,
		.dst_port = opened->key.dst_port,
		.protocol = opened->key.protocol,
	};

	if (is_v4_mapped(ip[0], ip[1], ip[2]))
		bpf_map_update_elem(&conn_to_pid_v4, &key, &pid, BPF_NOEXIST);
	else
		bpf_map_update_elem(&conn_to_pid_v6, &opened->key, &pid, BPF_NOEXIST);
}

static __always_inline void record_open(struct task_struct *task, struct sock *sk)
{
	const struct sock_common *common = &sk->__sk_common;
	struct opened opened = {};
	__u8 state = common->skc_state;

	if (common->skc_family != AF_INET && common->skc_family != AF_INET6)
		return;
	set_connection(&opened, sk);
	opened.kind = IDENTITY_BEFORE | IDENTITY_HOLDER;
	if (!opened.key.src_port)
		return;
	if (sk->sk_protocol == IPPROTO_TCP && state == TCP_LISTEN) {
		/*
		 * A process that has a listening socket open may accept, so it is the
		 * listener.
		 */
		opened.kind = IDENTITY_BEFORE | IDENTITY_LISTENER | IDENTITY_IN;
		if (BPF_CORE_READ_BITFIELD(common, skc_reuseport))
			opened.kind |= IDENTITY_SHARED;
		for (int i = 0; i < 4; i++)
			opened.key.dst_ip[i] = 0;
		opened.key.dst_port = 0;
	} else if (!opened.key.dst_port) {
		/* A UDP socket that is not connected, or a TCP socket that is merely bound. */
		return;
	} else if (sk->sk_protocol == IPPROTO_TCP) {
		opened.kind |= kind_of(sk, state);
	} else if (sk->sk_protocol != IPPROTO_UDP) {
		return;
	}
	identify_task(&opened, task);
	if (!(opened.kind & IDENTITY_IN))
		note_pid(&opened, task->tgid);
	record_process_of(task, BY_ANOTHER);
}

SEC("iter.s/task_file")
int on_read_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file || task->flags & PF_KTHREAD)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	record_open(task, sk);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

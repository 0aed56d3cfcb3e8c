// SPDX-License-Identifier: MIT
/*
 * records PIN SECONDS WRITERS: do the records of the identity table hold under a storm?
 *
 * WRITERS processes send on the same few sockets in turn, so that each datagram rewrites a
 * record that the others rewrite too. Every writer has a user, a name and a process of its
 * own: a record in which they do not belong together is a mix of two. Two readers, one of
 * the mapped memory and one of BPF_MAP_LOOKUP_ELEM, copy the records all the time. Prints
 *
 *   memory: N copies, N whole, N refused, N of them mixed, N wrong
 *   copies: the same
 *
 * Refused is what its check refuses, wrong is a mix that passes. At the end, when nobody
 * writes, no record may be refused either. Exit 1 for any that is wrong, or when no copy
 * was whole.
 */
#define _GNU_SOURCE
#include "../bpf/identity.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS 1
#define BURST 64 /* copies, then the writers have all processors for a moment */
#define WRITERS_MAX 16
#define FIRST_UID 23000
#define DST_PORT 9

struct sums {
	unsigned long copies, whole, refused, mixed, wrong;
};

struct places {
	__u32 entry[SOCKETS], way[SOCKETS];
	int count;
};

static struct {
	int sockets[SOCKETS];
	__u16 ports[SOCKETS];
	pid_t writers[WRITERS_MAX];
	int count;
	int map;
	const struct identity_bucket *memory;
	__u32 entries;
} storm;

static void die(const char *what)
{
	fprintf(stderr, "records: %s: %s\n", what, strerror(errno));
	for (int i = 0; i < storm.count; i++)
		if (storm.writers[i] > 0)
			kill(storm.writers[i], SIGKILL);
	exit(1);
}

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void open_table(const char *pin)
{
	struct bpf_map_info info = { 0 };
	union bpf_attr attr = { .pathname = (__u64)(unsigned long)pin };

	storm.map = (int)bpf(BPF_OBJ_GET, &attr);
	if (storm.map < 0)
		die(pin);
	attr = (union bpf_attr) { .info.bpf_fd = (__u32)storm.map,
				  .info.info_len = sizeof(info),
				  .info.info = (__u64)(unsigned long)&info };
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
		die("map info");
	if (info.value_size != sizeof(struct identity_bucket)) {
		errno = EPROTO;
		die("another layout");
	}
	storm.entries = info.max_entries;
	storm.memory = mmap(NULL, info.max_entries * sizeof(struct identity_bucket), PROT_READ,
			    MAP_SHARED, storm.map, 0);
	if (storm.memory == MAP_FAILED)
		die("mmap");
}

static void open_sockets(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(any);

	for (int i = 0; i < SOCKETS; i++) {
		any.sin_port = 0;
		storm.sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (storm.sockets[i] < 0 || bind(storm.sockets[i], (void *)&any, sizeof(any)) ||
		    getsockname(storm.sockets[i], (void *)&any, &size))
			die("socket");
		storm.ports[i] = ntohs(any.sin_port);
	}
}

static void write_until_killed(int number)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(DST_PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char name[IDENTITY_COMM_BYTES];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(name, sizeof(name), "writer%d", number % WRITERS_MAX);
	prctl(PR_SET_NAME, name);
	if (setgid((gid_t)(FIRST_UID + number)) || setuid((uid_t)(FIRST_UID + number)))
		_exit(1);
	for (unsigned i = 0;; i++)
		/* An answer from the closed port is an error of the next call: not ours. */
		sendto(storm.sockets[i % SOCKETS], "x", 1, MSG_DONTWAIT, (void *)&to, sizeof(to));
}

static void start_writers(int count)
{
	storm.count = count;
	for (int i = 0; i < count; i++) {
		storm.writers[i] = fork();
		if (storm.writers[i] < 0)
			die("fork");
		if (storm.writers[i] == 0)
			write_until_killed(i);
	}
}

static void stop_writers(void)
{
	for (int i = 0; i < storm.count; i++) {
		kill(storm.writers[i], SIGKILL);
		waitpid(storm.writers[i], NULL, 0);
	}
}

/* Whether all that a record says of its writer is said of one. */
static bool is_of_one(const struct conn_identity *record)
{
	unsigned number = record->uid - FIRST_UID;
	char name[IDENTITY_COMM_BYTES];

	if (number >= (unsigned)storm.count || record->gid != record->uid)
		return false;
	snprintf(name, sizeof(name), "writer%u", number % WRITERS_MAX);
	return record->pid == (__u32)storm.writers[number] && record->tid == record->pid &&
	       strncmp(record->comm, name, sizeof(name)) == 0;
}

static void judge(const struct conn_identity *record, struct sums *sums)
{
	sums->copies++;
	if (identity_check(record) != record->check) {
		sums->refused++;
		sums->mixed += !is_of_one(record);
	} else if (is_of_one(record)) {
		sums->whole++;
	} else {
		if (!sums->wrong++)
			fprintf(stderr, "records: pid %u uid %u gid %u comm %.16s\n", record->pid,
				record->uid, record->gid, record->comm);
	}
}

/* Where the records of the storm are: it has begun. They stay there. */
static bool find_places(struct places *places)
{
	const struct conn_identity *record;

	places->count = 0;
	for (__u32 n = 1; n < storm.entries && places->count < SOCKETS; n++)
		for (__u32 way = 0; way < IDENTITY_WAYS && places->count < SOCKETS; way++) {
			record = &storm.memory[n].way[way];
			if (record->uid - FIRST_UID >= (unsigned)storm.count)
				continue;
			places->entry[places->count] = n;
			places->way[places->count++] = way;
		}
	return places->count == SOCKETS;
}

static void read_memory(const struct places *places, int i, struct sums *sums)
{
	struct conn_identity copy;

	memcpy(&copy, &storm.memory[places->entry[i]].way[places->way[i]], sizeof(copy));
	__asm__ volatile("" : : "r"(&copy) : "memory");
	judge(&copy, sums);
}

static void read_copy(const struct places *places, int i, struct sums *sums)
{
	struct identity_bucket bucket;
	__u32 key = places->entry[i];
	union bpf_attr attr = { .map_fd = (__u32)storm.map,
				.key = (__u64)(unsigned long)&key,
				.value = (__u64)(unsigned long)&bucket };

	if (bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		die("lookup");
	judge(&bucket.way[places->way[i]], sums);
}

static void report(const char *name, const struct sums *sums)
{
	printf("%s: %lu copies, %lu whole, %lu refused, %lu of them mixed, %lu wrong\n", name,
	       sums->copies, sums->whole, sums->refused, sums->mixed, sums->wrong);
}

int main(int argc, char **argv)
{
	struct sums memory = { 0 }, copies = { 0 }, rest = { 0 };
	struct places places = { 0 };
	time_t end;

	if (argc != 4 || atoi(argv[3]) < 1 || atoi(argv[3]) > WRITERS_MAX) {
		fputs("usage: records PIN SECONDS WRITERS\n", stderr);
		return 2;
	}
	open_table(argv[1]);
	open_sockets();
	start_writers(atoi(argv[3]));
	end = now() + 20;
	while (!find_places(&places))
		if (now() > end)
			die("the storm wrote no records");
	end = now() + atoi(argv[2]);
	while (now() < end)
		for (int n = 0; n < 100; n++) {
			usleep(50);
			for (int i = 0; i < BURST; i++)
				read_memory(&places, i % SOCKETS, &memory);
			for (int i = 0; i < BURST; i++)
				read_copy(&places, i % SOCKETS, &copies);
		}
	stop_writers();
	for (int i = 0; i < SOCKETS; i++)
		read_memory(&places, i, &rest);
	report("memory", &memory);
	report("copies", &copies);
	report("at rest", &rest);
	return memory.wrong || copies.wrong || rest.wrong || rest.refused || !memory.whole ||
	       !copies.whole;
}

// SPDX-License-Identifier: MIT
/*
 * queries: how long do many questions take, asked of conn-lookup - or of the map?
 *
 * Each round answers the same questions four times, in a random order: by conn-lookup
 * where it may map the identity table ("batch", the first, and "control"), where it may
 * not ("unprivileged", without a capability and in GROUP), and by one
 * BPF_MAP_LOOKUP_ELEM system call for each and nothing else ("syscalls"). By the wall
 * clock, starting the process included, all on one CPU.
 */
#include "measure.h"

#include "../../bpf/port_tracker.h"
#include "../../helpers/lib/bpf.c"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/wait.h>

#define WARM_UP 1
#define NOBODY 65534

enum { BATCH, CONTROL, UNPRIVILEGED, SYSCALLS, WAYS };
static const char *const names[WAYS] = { "batch", "control", "unprivileged", "syscalls" };

static struct conn_key_v4 *keys;
static size_t key_count;

static void read_questions(const char *path)
{
	char protocol[4], dst[64];
	unsigned src_port, dst_port;
	FILE *file = fopen(path, "r");

	if (!file)
		die("cannot open", path);
	keys = allocate(4000000, sizeof(*keys));
	while (key_count < 4000000 &&
	       fscanf(file, "%3s %63s %u %u", protocol, dst, &src_port, &dst_port) == 4) {
		struct conn_key_v4 *key = &keys[key_count++];
		struct in_addr address;

		if (inet_pton(AF_INET, dst, &address) != 1)
			die("not an IPv4 address:", dst);
		key->dst_ip = address.s_addr;
		key->src_port = (__u16)src_port;
		key->dst_port = (__u16)dst_port;
		key->protocol = *protocol == 'u' ? 17 : 6;
	}
	fclose(file);
}

static int64_t ask_map(int map)
{
	int64_t start = now_ns(CLOCK_MONOTONIC);
	__u32 pid;

	for (size_t i = 0; i < key_count; i++)
		if (bpf_lookup(map, &keys[i], &pid))
			die("not in the map:", "a question");
	return now_ns(CLOCK_MONOTONIC) - start;
}

static int64_t ask_helper(const char *helper, const char *questions, gid_t group)
{
	int64_t start = now_ns(CLOCK_MONOTONIC);
	int status, in, out;
	pid_t pid = fork();

	if (pid == 0) {
		in = open(questions, O_RDONLY);
		out = open("/dev/null", O_WRONLY);
		dup2(in, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		if (group && (setgroups(0, NULL) || setgid(group) || setuid(NOBODY)))
			_exit(126);
		execl(helper, helper, "-", (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "bench: %s - failed\n", helper);
		exit(1);
	}
	return now_ns(CLOCK_MONOTONIC) - start;
}

int main(int argc, char **argv)
{
	int64_t *samples[WAYS];
	unsigned order[WAYS], rounds;
	struct group *group;
	int map;

	if (argc != 6) {
		fputs("usage: queries ROUNDS QUESTIONS HELPER MAP_PIN GROUP\n", stderr);
		return 2;
	}
	rounds = count_argument(argv[1]);
	read_questions(argv[2]);
	group = getgrnam(argv[5]);
	if (!group)
		die("no such group:", argv[5]);
	map = bpf_open_pin(argv[4], 0);
	if (map < 0)
		die("cannot open", argv[4]);
	for (int way = 0; way < WAYS; way++)
		samples[way] = allocate(rounds, sizeof(int64_t));
	stay_on_this_cpu();
	for (unsigned round = 0; round < rounds + WARM_UP; round++) {
		shuffle(order, WAYS);
		for (int i = 0; i < WAYS; i++) {
			unsigned way = order[i];
			int64_t ns = way == SYSCALLS
					     ? ask_map(map)
					     : ask_helper(argv[3], argv[2],
							  way == UNPRIVILEGED ? group->gr_gid : 0);

			if (round >= WARM_UP)
				samples[way][round - WARM_UP] = ns / (int64_t)key_count;
		}
	}
	for (int way = 0; way < WAYS; way++)
		report(names[way], samples[way], samples[0], rounds);
	return fflush(stdout) ? 1 : 0;
}

// SPDX-License-Identifier: MIT
/*
 * attached: what does an operation cost with these programs attached, and with
 * those, and while that agent runs?
 *
 * Each set of pinned programs has its turn once a round: attach it, do some
 * hundred operations, take it off. The CPU time of this process is what counts,
 * the kernel's receiving side included: on loopback it runs in the sender (but for "http",
 * with a server of its own, where it is the time until the answer); and that of the agent, which
 * has started, runs for the turn, and is then asked to end (SIGINT). Each set is reported on beside
 * the first. In the end each has one more turn, which is not timed, with the kernel's statistics of
 * programs on: a line "runs SET PROGRAM" with how often that ran for each operation, and the
 * nanoseconds of one run, those of taking the time among them.
 *
 * Each turn goes to another address of 127.0.0.0/8, so that every connection is
 * a new key of the table; only "tcp-known" and "udp-same" stay at one address. The
 * last line, for TCP, says how many of the keys had been there before, and of how
 * many. This process must be in CGROUP, and nobody else should have the programs
 * attached: "bare" is to be bare.
 */
#include "measure.h"

#include "../../helpers/lib/bpf.c"
#include "../../helpers/lib/number.c"
#include "../../helpers/lib/tracepoint.c"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SETS_MAX 8
#define PROGRAMS_MAX 24
#define WARM_UP_ROUNDS 2	      /* do not count */
#define FIRST_ADDRESS 0x7f010000u     /* 127.1.0.0 */
#define RECEIVE_BUFFER (16 * 1048576) /* holds the datagrams of one turn */

/* --- attachments ----------------------------------------------------------- */

static const struct {
	const char *program;
	enum bpf_attach_type type;
} cgroup_hooks[] = {
	{ "handle_sockops", BPF_CGROUP_SOCK_OPS },
	{ "on_tcp_event", BPF_CGROUP_SOCK_OPS },
	{ "plain_sockops", BPF_CGROUP_SOCK_OPS },
	{ "empty_sockops", BPF_CGROUP_SOCK_OPS },
	{ "plain_sendmsg4", BPF_CGROUP_UDP4_SENDMSG },
	{ "empty_sendmsg4", BPF_CGROUP_UDP4_SENDMSG },
	{ "handle_sendmsg4", BPF_CGROUP_UDP4_SENDMSG },
	{ "handle_sendmsg6", BPF_CGROUP_UDP6_SENDMSG },
	{ "handle_recvmsg4", BPF_CGROUP_UDP4_RECVMSG },
	{ "handle_recvmsg6", BPF_CGROUP_UDP6_RECVMSG },
	{ "empty_recvmsg4", BPF_CGROUP_UDP4_RECVMSG },
	{ "block_sendmsg6", BPF_CGROUP_UDP6_SENDMSG },
	{ "block_connect6", BPF_CGROUP_INET6_CONNECT },
	{ "block_sock_create", BPF_CGROUP_INET_SOCK_CREATE },
	{ "on_sock_create", BPF_CGROUP_INET_SOCK_CREATE },
};

/* Programs for tracepoints that are not raw. */
static const struct {
	const char *program;
	const char *tracepoint;
} tracepoints[] = {
	{ "on_exit_accept", "syscalls/sys_exit_accept" },
	{ "on_exit_accept4", "syscalls/sys_exit_accept4" },
	{ "on_exit_socket", "syscalls/sys_exit_socket" },
};

struct program {
	const char *pin;
	int fd;
	int link; /* of a tracing program */
	bool is_cgroup;
	enum bpf_attach_type type;
	int64_t tracepoint; /* its number; 0: not for a tracepoint, or for a raw one */
};

struct set {
	const char *name;
	struct program programs[PROGRAMS_MAX];
	unsigned count;
	char **agent; /* its command, or NULL */
	int64_t *samples;
};

static int cgroup_fd;

static int cgroup_call(int cmd, const struct program *program)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (__u32)cgroup_fd;
	attr.attach_bpf_fd = (__u32)program->fd;
	attr.attach_type = program->type;
	if (cmd == BPF_PROG_ATTACH)
		attr.attach_flags = BPF_F_ALLOW_MULTI;
	return sys_bpf(cmd, &attr);
}

static struct program open_program(const char *pin)
{
	struct program program = { .pin = pin, .link = -1, .fd = bpf_open_pin(pin, 0) };
	const char *slash = strrchr(pin, '/');

	if (program.fd < 0) {
		errno = -program.fd;
		die("cannot open", pin);
	}
	for (size_t i = 0; i < sizeof(cgroup_hooks) / sizeof(*cgroup_hooks); i++) {
		if (strcmp(slash ? slash + 1 : pin, cgroup_hooks[i].program) == 0) {
			program.is_cgroup = true;
			program.type = cgroup_hooks[i].type;
		}
	}
	for (size_t i = 0; i < sizeof(tracepoints) / sizeof(*tracepoints); i++) {
		if (strcmp(slash ? slash + 1 : pin, tracepoints[i].program) == 0) {
			program.tracepoint = tracepoint_id(tracepoints[i].tracepoint);
			if (program.tracepoint < 0) {
				errno = (int)-program.tracepoint;
				die("cannot find tracepoint", tracepoints[i].tracepoint);
			}
		}
	}
	/* Whatever attach.sh did: each turn starts from nothing. */
	if (program.is_cgroup)
		(void)cgroup_call(BPF_PROG_DETACH, &program);
	return program;
}

/* --- an agent -------------------------------------------------------------- */

#define AGENT_WAIT_MS 10000 /* for its start */
#define SETTLE_MS 20	    /* for it to read what is in its buffers */

static bool has_agents; /* some of the sets: then each turn begins from a rest, as theirs */
static pid_t agent;
static int agent_output;      /* a file in memory */
static uint64_t agent_memory; /* kB, resident, the most of all turns */

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec) { .tv_nsec = ms * 1000000 }, NULL);
}

/* The file NAME of the agent in /proc, ended by a NUL. */
static void read_agent(const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", agent, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	if (n < 0)
		die("cannot read", path);
	text[n] = '\0';
}

/* What it has spent, on a CPU. */
static int64_t agent_ns(void)
{
	char text[256];

	if (!agent)
		return 0;
	read_agent("schedstat", text, sizeof(text));
	return strtoll(text, NULL, 10);
}

/* Whether it has opened what it waits at for events, which comes last. */
static bool waits_for_events(void)
{
	char path[64], target[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", agent);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)) != NULL) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (n > 0) {
			target[n] = '\0';
			found = strcmp(target, "anon_inode:[eventpoll]") == 0;
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

static void start_agent(char **command)
{
	if (!agent_output)
		agent_output = memfd_create("agent", 0);
	if (agent_output < 0 || ftruncate(agent_output, 0) || lseek(agent_output, 0, SEEK_SET) != 0)
		die("cannot make", "a file in memory");
	agent = fork();
	if (agent < 0)
		die("cannot start", command[0]);
	if (agent == 0) {
		cpu_set_t any;

		memset(&any, 0xff, sizeof(any));
		(void)sched_setaffinity(0, sizeof(any), &any);
		(void)prctl(PR_SET_PDEATHSIG, SIGINT);
		if (dup2(agent_output, STDOUT_FILENO) < 0)
			_exit(127);
		execvp(command[0], command);
		_exit(127);
	}
	for (int ms = 0; !waits_for_events(); ms++) {
		if (ms == AGENT_WAIT_MS || waitpid(agent, NULL, WNOHANG) != 0) {
			agent = 0;
			errno = ECHILD;
			die("did not start:", command[0]);
		}
		sleep_ms(1);
	}
	sleep_ms(SETTLE_MS);
}

/* It must have told of COUNT connections at least, a line each. */
static void end_agent(const char *name, unsigned count)
{
	static char text[1 << 20];
	char status[2048], *memory;
	unsigned lines = 0;
	ssize_t n;

	read_agent("status", status, sizeof(status));
	memory = strstr(status, "VmRSS:");
	if (memory && strtoull(memory + 6, NULL, 10) > agent_memory)
		agent_memory = strtoull(memory + 6, NULL, 10);
	kill(agent, SIGINT);
	waitpid(agent, NULL, 0);
	agent = 0;
	n = pread(agent_output, text, sizeof(text), 0);
	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	if (lines < count) {
		errno = ENODATA;
		die("missed connections:", name);
	}
}

/* What a raw tracepoint program is for; NULL for one that knows it by itself. */
static const char *raw_name(const struct program *program)
{
	static const char *const names[][2] = {
		{ "on_send_reset", "tcp_send_reset" },
		{ "on_receive_rese", "tcp_receive_reset" }, /* cut: BPF_OBJ_NAME_LEN */
		{ "on_set_state", "inet_sock_set_state" },
	};
	struct bpf_prog_info info;

	if (bpf_program_info(program->fd, &info, NULL, 0) ||
	    info.type != BPF_PROG_TYPE_RAW_TRACEPOINT)
		return NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i][0], info.name) == 0)
			return names[i][1];
	return NULL;
}

/* --- sets ------------------------------------------------------------------ */

static void attach(struct set *set)
{
	if (set->agent)
		start_agent(set->agent);
	for (unsigned i = 0; i < set->count; i++) {
		struct program *program = &set->programs[i];
		int rc;

		if (program->is_cgroup)
			rc = cgroup_call(BPF_PROG_ATTACH, program);
		else if (program->tracepoint)
			rc = program->link =
				bpf_attach_tracepoint(program->fd, (__u64)program->tracepoint);
		else
			rc = program->link = bpf_attach_raw(program->fd, raw_name(program));
		if (rc < 0) {
			errno = -rc;
			die("cannot attach", program->pin);
		}
	}
}

static void detach(struct set *set, unsigned count)
{
	if (set->agent)
		end_agent(set->name, count);
	for (unsigned i = 0; i < set->count; i++) {
		struct program *program = &set->programs[i];

		if (program->is_cgroup)
			(void)cgroup_call(BPF_PROG_DETACH, program);
		else
			close(program->link);
	}
}

/* --- operations ------------------------------------------------------------ */

static int server;	  /* listens, or holds a port that refuses, or receives */
static int sender;	  /* of datagrams with the same key */
static uint16_t port;	  /* of the server, network order */
static bool seen[65536];  /* source ports used with the address */
static unsigned repeated; /* in all turns */
static unsigned recorded;

static struct sockaddr_in at(uint32_t address)
{
	return (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_port = port,
		.sin_addr.s_addr = htonl(address),
	};
}

static int open_socket(int type)
{
	int fd = socket(AF_INET, type, 0);

	if (fd < 0)
		die("cannot open", "a socket");
	return fd;
}

static void open_server(int type)
{
	struct sockaddr_in any = at(INADDR_ANY);
	socklen_t len = sizeof(any);

	server = open_socket(type);
	if (bind(server, (struct sockaddr *)&any, len) ||
	    getsockname(server, (struct sockaddr *)&any, &len))
		die("cannot bind", "a socket");
	port = any.sin_port;
}

static void note_port(uint16_t source)
{
	recorded++;
	repeated += seen[source];
	seen[source] = true;
}

static void prepare_tcp(void)
{
	open_server(SOCK_STREAM);
	if (listen(server, 16))
		die("cannot listen at", "a socket");
}

static void connect_accept_reset(uint32_t address)
{
	const struct linger reset = { .l_onoff = 1 };
	struct sockaddr_in to = at(address), from;
	socklen_t len = sizeof(from);
	int client = open_socket(SOCK_STREAM), accepted;

	if (connect(client, (struct sockaddr *)&to, sizeof(to)))
		die("cannot connect to", "127.0.0.0/8");
	accepted = accept(server, (struct sockaddr *)&from, &len);
	if (accepted < 0)
		die("cannot accept", "a connection");
	/* No TIME_WAIT: ports do not run out. */
	if (setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)))
		die("cannot set", "SO_LINGER");
	close(client);
	close(accepted);
	note_port(ntohs(from.sin_port));
}

/* A port that is bound and does not listen refuses, and nobody else gets it. */
static void prepare_refused(void)
{
	open_server(SOCK_STREAM);
}

static void connect_refused(uint32_t address)
{
	struct sockaddr_in to = at(address);
	int client = open_socket(SOCK_STREAM);

	if (connect(client, (struct sockaddr *)&to, sizeof(to)) == 0 || errno != ECONNREFUSED)
		die("not refused:", "a connection");
	close(client);
}

static void prepare_udp(void)
{
	const int bytes = RECEIVE_BUFFER;

	open_server(SOCK_DGRAM);
	sender = open_socket(SOCK_DGRAM);
	if (setsockopt(server, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		die("cannot set", "SO_RCVBUFFORCE");
}

static void send_datagram(int fd, uint32_t address)
{
	struct sockaddr_in to = at(address);

	if (sendto(fd, "", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1)
		die("cannot send", "a datagram");
}

static void send_again(uint32_t address)
{
	send_datagram(sender, address);
}

static void send_from_new_socket(uint32_t address)
{
	int fd = open_socket(SOCK_DGRAM);

	send_datagram(fd, address);
	close(fd);
}

static void receive_all(void)
{
	char byte;

	while (recv(server, &byte, 1, MSG_DONTWAIT) == 1)
		;
}

/* A server is bound to its port by its number, which this one had before. */
static void prepare_serve(void)
{
	struct sockaddr_in any;

	open_server(SOCK_DGRAM);
	close(server);
	any = at(INADDR_ANY);
	server = open_socket(SOCK_DGRAM);
	if (bind(server, (struct sockaddr *)&any, sizeof(any)))
		die("cannot bind", "a socket");
	sender = open_socket(SOCK_DGRAM);
}

/* A question from FD and the server's reply, which the peer reads without its address. */
static void ask(int fd, uint32_t address)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char byte;

	send_datagram(fd, address);
	if (recvfrom(server, &byte, 1, 0, (struct sockaddr *)&from, &len) != 1 ||
	    sendto(server, "", 1, 0, (struct sockaddr *)&from, len) != 1 ||
	    recv(fd, &byte, 1, 0) != 1)
		die("cannot answer", "a datagram");
}

static void ask_again(uint32_t address)
{
	ask(sender, address);
}

static void ask_from_new_socket(uint32_t address)
{
	int fd = open_socket(SOCK_DGRAM);

	ask(fd, address);
	close(fd);
}

/* "http:PORT": somebody else's server, which closes when it has answered. */
static void ask_server(uint32_t address)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	struct sockaddr_in to = at(INADDR_LOOPBACK), from;
	int client = open_socket(SOCK_STREAM);
	socklen_t len = sizeof(from);
	char answer[4096];
	ssize_t n, all = 0;

	(void)address;
	if (connect(client, (struct sockaddr *)&to, sizeof(to)) ||
	    getsockname(client, (struct sockaddr *)&from, &len))
		die("cannot connect to", "the server");
	if (send(client, request, sizeof(request) - 1, 0) < 0)
		die("cannot ask", "the server");
	while ((n = recv(client, answer, sizeof(answer), 0)) > 0)
		all += n;
	if (n < 0 || !all)
		die("no answer from", "the server");
	close(client);
	note_port(ntohs(from.sin_port));
}

static void nothing(void)
{
}

static const struct operation {
	const char *name;
	unsigned count; /* in one turn: some 2 ms */
	bool stays;	/* at one address */
	clockid_t clock;
	void (*prepare)(void);
	void (*run)(uint32_t address);
	void (*tidy)(void);
} operations[] = {
	{ "tcp", 100, false, CLOCK_PROCESS_CPUTIME_ID, prepare_tcp, connect_accept_reset, nothing },
	{ "tcp-known", 100, true, CLOCK_PROCESS_CPUTIME_ID, prepare_tcp, connect_accept_reset,
	  nothing },
	{ "refused", 200, false, CLOCK_PROCESS_CPUTIME_ID, prepare_refused, connect_refused,
	  nothing },
	{ "udp-same", 4000, true, CLOCK_PROCESS_CPUTIME_ID, prepare_udp, send_again, receive_all },
	{ "udp-new", 1000, false, CLOCK_PROCESS_CPUTIME_ID, prepare_udp, send_from_new_socket,
	  receive_all },
	{ "serve-same", 1000, true, CLOCK_PROCESS_CPUTIME_ID, prepare_serve, ask_again, nothing },
	{ "serve-new", 500, false, CLOCK_PROCESS_CPUTIME_ID, prepare_serve, ask_from_new_socket,
	  nothing },
	/* What it takes until the answer is there: the server is another process. */
	{ "http", 100, true, CLOCK_MONOTONIC, nothing, ask_server, nothing },
};

/* --- turns ----------------------------------------------------------------- */

static int64_t turn_ns(const struct operation *operation, struct set *set, uint32_t address)
{
	int64_t start, agents;

	if (!operation->stays)
		memset(seen, 0, sizeof(seen));
	attach(set);
	/* To attach writes over kernel text: caches and predictors are cold for a while. */
	for (unsigned i = 0; i < operation->count / 2; i++)
		operation->run(address);
	if (has_agents)
		sleep_ms(SETTLE_MS);
	agents = agent_ns();
	start = now_ns(operation->clock);
	for (unsigned i = 0; i < operation->count; i++)
		operation->run(address);
	start = now_ns(operation->clock) - start;
	if (set->agent)
		sleep_ms(SETTLE_MS);
	start += agent_ns() - agents;
	detach(set, operation->count);
	operation->tidy();
	return start / operation->count;
}

/* --- where the time goes --------------------------------------------------- */

#define COUNTED_TURNS 20 /* as many operations as in so many turns */

static struct bpf_prog_info info_of(const struct program *program)
{
	struct bpf_prog_info info;

	if (bpf_program_info(program->fd, &info, NULL, 0))
		die("cannot ask for the runs of", program->pin);
	return info;
}

/* How often each program of SET runs for one operation, and for how long. */
static void report_runs(const struct operation *operation, struct set *set, uint32_t address)
{
	const unsigned count = operation->count * COUNTED_TURNS;
	struct bpf_prog_info before[PROGRAMS_MAX], after;
	union bpf_attr attr;
	int statistics;

	memset(&attr, 0, sizeof(attr));
	attr.enable_stats.type = BPF_STATS_RUN_TIME;
	statistics = sys_bpf(BPF_ENABLE_STATS, &attr);
	if (statistics < 0)
		die("cannot have", "the statistics of programs");
	attach(set);
	for (unsigned i = 0; i < set->count; i++)
		before[i] = info_of(&set->programs[i]);
	for (unsigned i = 0; i < count; i++) {
		operation->run(address);
		if (i % operation->count == 0)
			operation->tidy();
	}
	for (unsigned i = 0; i < set->count; i++) {
		after = info_of(&set->programs[i]);
		after.run_cnt -= before[i].run_cnt;
		after.run_time_ns -= before[i].run_time_ns;
		if (after.run_cnt)
			printf("runs %s %s %.2f %.0f\n", set->name, after.name,
			       (double)after.run_cnt / count,
			       (double)after.run_time_ns / (double)after.run_cnt);
	}
	detach(set, 0);
	operation->tidy();
	close(statistics);
}

/* NAME [PIN...] -- NAME + COMMAND [ARGUMENT...] */
static unsigned parse_sets(char **argv, struct set *sets)
{
	unsigned count = 0;

	while (*argv && count < SETS_MAX) {
		struct set *set = &sets[count++];

		set->name = *argv++;
		if (*argv && strcmp(*argv, "+") == 0)
			set->agent = ++argv, has_agents = true;
		for (; *argv && strcmp(*argv, "--") != 0; argv++)
			if (!set->agent && set->count < PROGRAMS_MAX)
				set->programs[set->count++] = open_program(*argv);
		if (*argv)
			*argv++ = NULL; /* and the end of a command */
	}
	return count;
}

static const struct operation *find_operation(const char *name)
{
	const char *of_server = strchr(name, ':');

	if (of_server && strncmp(name, "http:", 5) == 0) {
		port = htons((uint16_t)count_argument(of_server + 1));
		name = "http";
	}
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	errno = EINVAL;
	die("no such operation:", name);
}

int main(int argc, char **argv)
{
	static struct set sets[SETS_MAX];
	const struct operation *operation;
	unsigned order[SETS_MAX], rounds, count;
	uint32_t address = FIRST_ADDRESS;

	if (argc < 5) {
		fputs("usage: attached "
		      "tcp|tcp-known|refused|udp-same|udp-new|serve-same|serve-new|\n"
		      "                http:PORT ROUNDS CGROUP\n"
		      "                SET [PROGRAM_PIN...|+ COMMAND...] [-- SET ...]\n",
		      stderr);
		return 2;
	}
	operation = find_operation(argv[1]);
	rounds = count_argument(argv[2]);
	cgroup_fd = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup_fd < 0)
		die("cannot open", argv[3]);
	count = parse_sets(argv + 4, sets);
	for (unsigned i = 0; i < count; i++)
		sets[i].samples = allocate(rounds, sizeof(int64_t));
	stay_on_this_cpu();
	operation->prepare();
	for (unsigned round = 0; round < rounds + WARM_UP_ROUNDS; round++) {
		shuffle(order, count);
		for (unsigned i = 0; i < count; i++) {
			struct set *set = &sets[order[i]];
			int64_t ns = turn_ns(operation, set, address);

			if (!operation->stays)
				address++;
			if (round >= WARM_UP_ROUNDS)
				set->samples[round - WARM_UP_ROUNDS] = ns;
		}
	}
	for (unsigned i = 0; i < count; i++)
		report(sets[i].name, sets[i].samples, sets[0].samples, rounds);
	for (unsigned i = 0; i < count; i++, address++)
		if (sets[i].count)
			report_runs(operation, &sets[i], address);
	if (agent_memory)
		printf("agent_kB %llu\n", (unsigned long long)agent_memory);
	if (recorded)
		printf("known %u %u\n", repeated, recorded);
	return fflush(stdout) ? 1 : 0;
}

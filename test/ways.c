// SPDX-License-Identifier: MIT
/*
 * ways: the uncommon ways to connect and to send, for the tests, on loopback.
 *
 *   thread ADDR PORT            connect from a thread named "worker"; prints "PID SRC_PORT
 *                               TID" and holds, as all of these do, until standard input
 *                               ends
 *   fastopen ADDR PORT          connect and send in one call, MSG_FASTOPEN
 *   fastopen-later ADDR PORT    connect with TCP_FASTOPEN_CONNECT, then write
 *   uring-connect ADDR PORT     connect by io_uring
 *   uring-send ADDR PORT        a datagram by io_uring
 *   uring-udp-connect ADDR PORT connect a UDP socket by io_uring
 *   uring-accept ADDR PORT      listen there, connect to it, and let a child accept it by
 *                               io_uring; prints "pid=PID accepter=PID server=PORT
 *                               client=PORT", holds
 *   absent-arguments ADDR PORT  connect, its arguments not in memory
 *   wide-udp-connect ADDR PORT  connect a UDP socket, the upper half of the register that
 *                               holds the descriptor filled with ones
 *   int80-udp-connect ADDR PORT connect a UDP socket by the system call of 32-bit programs
 *   leaderless ADDR PORT        connect; then the first thread ends and another goes on
 *   sendmmsg ADDR PORT          two datagrams, to PORT and to the next port
 *   gso ADDR PORT               a datagram that is cut into three (UDP_SEGMENT)
 *   bound SRC_PORT ADDR PORT    connect from this source port
 *   fork ADDR PORT              an unbound UDP socket: the parent sends and ends at a line
 *                               on standard input; then the child sends on it, prints, holds
 *   pass ADDR PORT              the same, the socket going over SCM_RIGHTS to a process that
 *                               was started before
 *   name BYTES ADDR PORT        connect under this name (comm)
 *   reuse PID                   a process with this PID, which must be free; prints it, holds
 *   spread COUNT                one UDP socket sends to COUNT addresses, 127.16.0.0 and
 *                               on, port 9; prints, holds
 *   mix PROCESSES COUNT         COUNT connections and datagrams in random ways from so
 *                               many processes; a line each, "PROTOCOL DST SRC_PORT
 *                               DST_PORT PID", then "done", then holds
 *
 * With WAYS_BIND in the environment UDP sockets are bound to that port before.
 * With WAYS_LISTEN in the environment a listener at ADDR PORT is made before: for a
 * network namespace of its own.
 *
 * Exit 1 with a message when a call fails.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* include/uapi/linux/udp.h */
#endif

static void die(const char *what)
{
	fprintf(stderr, "ways: %s: %s\n", what, strerror(errno));
	exit(1);
}

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

static struct address parse(const char *text, const char *port)
{
	struct address a;
	struct sockaddr_in *sin = (void *)&a.sa;
	struct sockaddr_in6 *sin6 = (void *)&a.sa;

	memset(&a, 0, sizeof(a));
	if (strchr(text, ':')) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons((uint16_t)atoi(port));
		a.len = sizeof(*sin6);
		if (inet_pton(AF_INET6, text, &sin6->sin6_addr) != 1)
			die(text);
	} else {
		sin->sin_family = AF_INET;
		sin->sin_port = htons((uint16_t)atoi(port));
		a.len = sizeof(*sin);
		if (inet_pton(AF_INET, text, &sin->sin_addr) != 1)
			die(text);
	}
	return a;
}

static int new_socket(const struct address *a, int type)
{
	int fd = socket(a->sa.ss_family, type | SOCK_CLOEXEC, 0);
	const char *port = getenv("WAYS_BIND");
	struct address own = *a;

	if (fd < 0)
		die("socket");
	if (port && type == SOCK_DGRAM) {
		((struct sockaddr_in *)&own.sa)->sin_port = htons((uint16_t)atoi(port));
		if (bind(fd, (void *)&own.sa, own.len))
			die("bind");
	}
	return fd;
}

static int local_port(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (void *)&sa, &len))
		die("getsockname");
	/* The port is at the same place in both families. */
	return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

static void hold(void)
{
	char byte;

	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static int report_and_hold(int fd)
{
	printf("%d %d\n", (int)getpid(), local_port(fd));
	hold();
	return 0;
}

static void must_connect(int fd, const struct address *a)
{
	if (connect(fd, (const void *)&a->sa, a->len))
		die("connect");
}

static void must_send(int fd, const struct address *a)
{
	if (sendto(fd, "x", 1, 0, (const void *)&a->sa, a->len) != 1)
		die("sendto");
}

/* --- threads and names ----------------------------------------------------- */

static void *run_thread(void *argument)
{
	struct address *a = argument;
	int fd = new_socket(a, SOCK_STREAM);

	prctl(PR_SET_NAME, "worker");
	must_connect(fd, a);
	printf("%d %d %ld\n", (int)getpid(), local_port(fd), syscall(SYS_gettid));
	hold();
	return NULL;
}

static int do_thread(struct address a)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_thread, &a))
		die("pthread_create");
	pthread_join(thread, NULL);
	return 0;
}

static int do_name(const char *name, struct address a)
{
	int fd = new_socket(&a, SOCK_STREAM);

	prctl(PR_SET_NAME, name);
	must_connect(fd, &a);
	return report_and_hold(fd);
}

static int do_reuse(const char *pid)
{
	pid_t want = atoi(pid);
	struct clone_args args = { .set_tid = (uintptr_t)&want,
				   .set_tid_size = 1,
				   .exit_signal = SIGCHLD };
	long child = syscall(SYS_clone3, &args, sizeof(args));

	if (child < 0)
		die("clone3");
	if (child == 0) {
		printf("%d\n", (int)getpid());
		hold();
		exit(0);
	}
	/* The child reads the same standard input to its end. */
	waitpid((pid_t)child, NULL, 0);
	return 0;
}

/* --- Fast Open ------------------------------------------------------------- */

static int do_fastopen(struct address a, int later)
{
	int one = 1, fd = new_socket(&a, SOCK_STREAM);

	if (later) {
		if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)))
			die("TCP_FASTOPEN_CONNECT");
		must_connect(fd, &a);
		if (write(fd, "x", 1) != 1)
			die("write");
	} else if (sendto(fd, "x", 1, MSG_FASTOPEN, (void *)&a.sa, a.len) != 1) {
		die("MSG_FASTOPEN");
	}
	return report_and_hold(fd);
}

/* --- io_uring -------------------------------------------------------------- */

/* One request, submitted and waited for; its result. */
static int uring(const struct io_uring_sqe *request)
{
	struct io_uring_params p = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 1, &p), result;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqe;
	char *sq, *cq;

	if (fd < 0)
		die("io_uring_setup");
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(__u32), PROT_READ | PROT_WRITE,
		  MAP_SHARED, fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*cqe), PROT_READ | PROT_WRITE,
		  MAP_SHARED, fd, IORING_OFF_CQ_RING);
	sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
		die("mmap of io_uring");
	sqes[0] = *request;
	*(__u32 *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((__u32 *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		die("io_uring_enter");
	cqe = (void *)(cq + p.cq_off.cqes);
	result = cqe->res;
	if (result < 0) {
		errno = -result;
		die("io_uring");
	}
	return result;
}

static int do_uring_connect(struct address a, int type)
{
	int fd = new_socket(&a, type);
	struct io_uring_sqe request = {
		.opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)&a.sa, .off = a.len
	};

	uring(&request);
	return report_and_hold(fd);
}

static int do_uring_accept(struct address a)
{
	int listener = new_socket(&a, SOCK_STREAM), client = new_socket(&a, SOCK_STREAM), ready[2];
	socklen_t len = sizeof(a.sa);
	pid_t child;
	char byte;

	if (bind(listener, (void *)&a.sa, a.len) || listen(listener, 1) ||
	    getsockname(listener, (void *)&a.sa, &len) || pipe(ready))
		die("listen");
	must_connect(client, &a);
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		struct io_uring_sqe request = { .opcode = IORING_OP_ACCEPT, .fd = listener };

		close(client);
		uring(&request);
		if (write(ready[1], "x", 1) != 1)
			die("write");
		hold();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		die("the child");
	printf("pid=%d accepter=%d server=%d client=%d\n", (int)getpid(), (int)child,
	       local_port(listener), local_port(client));
	fflush(stdout);
	hold();
	return 0;
}

/* --- arguments -------------------------------------------------------------- */

/* Wait until the first thread sleeps, which it does for good. */
static void wait_for_first_thread(void)
{
	char path[64], text[512], *state;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
	do {
		usleep(10000);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		len = read(fd, text, sizeof(text) - 1);
		if (len <= 0)
			die(path);
		close(fd);
		text[len] = '\0';
		state = strrchr(text, ')');
	} while (!state || state[1] != ' ' || state[2] != 'S');
}

static void *connect_without_arguments(void *address)
{
	struct address a = *(struct address *)address;
	uintptr_t page = (uintptr_t)program_invocation_name & ~(uintptr_t)4095;
	int fd = new_socket(&a, SOCK_STREAM);

	wait_for_first_thread();
	/* As if the memory had been paged out. One page or two, the last of the stack. */
	if (madvise((void *)page, 2 * 4096, MADV_DONTNEED) && errno != ENOMEM)
		die("madvise");
	must_connect(fd, &a);
	_exit(report_and_hold(fd));
}

/*
 * By a thread: the frames of the first one may be in that part of the stack, so it never
 * returns into them.
 */
static int do_absent_arguments(struct address a)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, connect_without_arguments, &a))
		die("pthread_create");
	pthread_join(thread, NULL);
	return 1;
}

/* --- connects that look like others --------------------------------------- */

static int do_wide_connect(struct address a)
{
	int fd = new_socket(&a, SOCK_DGRAM);

	/* The kernel takes the lower half of the first argument. */
	if (syscall(SYS_connect, (unsigned long)(unsigned)fd | 0xffffffffUL << 32, &a.sa, a.len))
		die("connect");
	return report_and_hold(fd);
}

static int do_int80_connect(struct address a)
{
	int fd = new_socket(&a, SOCK_DGRAM);
#ifdef __x86_64__
	/* Below 4 GB, where a pointer of 32 bits reaches. */
	struct address *low = mmap(NULL, sizeof(a), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long rc = 362; /* connect in arch/x86/entry/syscalls/syscall_32.tbl */

	if (low == MAP_FAILED)
		die("mmap");
	*low = a;
	__asm__ volatile("int $0x80"
			 : "+a"(rc)
			 : "b"((long)fd), "c"((long)&low->sa), "d"((long)a.len)
			 : "memory", "r8", "r9", "r10", "r11");
	errno = (int)-rc;
	if (rc)
		die("connect");
#endif
	return report_and_hold(fd);
}

static void *hold_alone(void *fd)
{
	/* As long as the first thread runs, this one is not alone. */
	char path[64], state[512], byte;
	ssize_t n;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)getpid());
	do {
		file = open(path, O_RDONLY | O_CLOEXEC);
		n = read(file, state, sizeof(state) - 1);
		close(file);
		state[n > 0 ? n : 0] = '\0';
	} while (!strstr(state, ") Z "));
	printf("%d %d\n", (int)getpid(), local_port((int)(intptr_t)fd));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	_exit(0);
}

static int do_leaderless(struct address a)
{
	int fd = new_socket(&a, SOCK_STREAM);
	pthread_t thread;

	must_connect(fd, &a);
	if (pthread_create(&thread, NULL, hold_alone, (void *)(intptr_t)fd))
		die("pthread_create");
	/* This thread alone; exit() would end all. */
	syscall(SYS_exit, 0);
	return 1;
}

static int do_uring_send(struct address a)
{
	int fd = new_socket(&a, SOCK_DGRAM);
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = {
		.msg_name = &a.sa, .msg_namelen = a.len, .msg_iov = &iov, .msg_iovlen = 1
	};
	struct io_uring_sqe request = {
		.opcode = IORING_OP_SENDMSG, .fd = fd, .addr = (uintptr_t)&msg, .len = 1
	};

	uring(&request);
	return report_and_hold(fd);
}

/* --- UDP ------------------------------------------------------------------- */

static int do_sendmmsg(const char *address, const char *port)
{
	char next[16];
	struct address a = parse(address, port), b;
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct mmsghdr messages[2] = { { { .msg_iov = &iov, .msg_iovlen = 1 }, 0 },
				       { { .msg_iov = &iov, .msg_iovlen = 1 }, 0 } };
	int fd = new_socket(&a, SOCK_DGRAM);

	snprintf(next, sizeof(next), "%d", atoi(port) + 1);
	b = parse(address, next);
	messages[0].msg_hdr.msg_name = &a.sa;
	messages[0].msg_hdr.msg_namelen = a.len;
	messages[1].msg_hdr.msg_name = &b.sa;
	messages[1].msg_hdr.msg_namelen = b.len;
	if (sendmmsg(fd, messages, 2, 0) != 2)
		die("sendmmsg");
	return report_and_hold(fd);
}

static int do_gso(struct address a)
{
	char bytes[300] = { 0 };
	int size = 100, fd = new_socket(&a, SOCK_DGRAM);

	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)))
		die("UDP_SEGMENT");
	if (sendto(fd, bytes, sizeof(bytes), 0, (void *)&a.sa, a.len) != sizeof(bytes))
		die("sendto");
	return report_and_hold(fd);
}

static int do_spread(int count)
{
	struct address a = parse("127.16.0.0", "9");
	struct sockaddr_in *sin = (void *)&a.sa;
	int fd = new_socket(&a, SOCK_DGRAM);

	for (int i = 0; i < count; i++) {
		sin->sin_addr.s_addr = htonl(0x7f100000u + (unsigned)i);
		must_send(fd, &a);
	}
	return report_and_hold(fd);
}

static int do_bound(const char *src_port, const char *address, const char *port)
{
	struct address a = parse(address, port), own = a;
	int one = 1, fd = new_socket(&a, SOCK_STREAM);

	((struct sockaddr_in *)&own.sa)->sin_port = htons((uint16_t)atoi(src_port));
	memset(&((struct sockaddr_in6 *)&own.sa)->sin6_addr, 0,
	       a.sa.ss_family == AF_INET6 ? sizeof(struct in6_addr) : 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&own.sa, own.len))
		die("bind");
	must_connect(fd, &a);
	return report_and_hold(fd);
}

static int do_fork(struct address a)
{
	int fd = new_socket(&a, SOCK_DGRAM);
	char byte;
	pid_t child;

	must_send(fd, &a);
	printf("%d %d\n", (int)getpid(), local_port(fd));
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) != 1)
		return 0;
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		must_send(fd, &a);
		return report_and_hold(fd);
	}
	waitpid(child, NULL, 0);
	return 0;
}

static int receive_socket(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(from, &msg, 0) != 1)
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void pass_socket(int to, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (sendmsg(to, &msg, 0) != 1)
		die("sendmsg");
}

static int do_pass(struct address a)
{
	int pair[2], fd;
	char byte;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		fd = receive_socket(pair[1]);
		must_send(fd, &a);
		return report_and_hold(fd);
	}
	fd = new_socket(&a, SOCK_DGRAM);
	must_send(fd, &a);
	printf("%d %d\n", (int)getpid(), local_port(fd));
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) == 1)
		pass_socket(pair[0], fd);
	waitpid(child, NULL, 0);
	return 0;
}

/* --- everything at once ---------------------------------------------------- */

#define MIX_PORT 23600

/* One in a random way, to an address that no other process of the mix uses. */
static void mix_one(int process, int listener_port)
{
	char v4[48], mapped[64], port[16];
	int way = rand() % 6, host = rand() % 250 + 1, fd;
	const char *dst = v4, *protocol = "udp";
	struct address a;

	snprintf(v4, sizeof(v4), "127.%d.%d.%d", 2 + process / 250, process % 250, host);
	snprintf(mapped, sizeof(mapped), "::ffff:%s", v4);
	snprintf(port, sizeof(port), "%d", way < 2 ? listener_port : MIX_PORT + rand() % 50);
	switch (way) {
	case 0:
	case 1:
		protocol = "tcp";
		a = parse(way ? mapped : v4, port);
		fd = new_socket(&a, SOCK_STREAM);
		must_connect(fd, &a);
		break;
	case 2:
	case 3:
		a = parse(way == 2 ? v4 : mapped, port);
		fd = new_socket(&a, SOCK_DGRAM);
		must_send(fd, &a);
		break;
	case 4:
		a = parse(v4, port);
		fd = new_socket(&a, SOCK_DGRAM);
		must_connect(fd, &a);
		break;
	default:
		/* One IPv6 address for all: the port tells the processes apart. */
		snprintf(port, sizeof(port), "%d", 20000 + process);
		dst = "::1";
		a = parse(dst, port);
		fd = new_socket(&a, SOCK_DGRAM);
		must_send(fd, &a);
	}
	printf("%s %s %d %s %d\n", protocol, dst, local_port(fd), port, (int)getpid());
	close(fd);
}

static void listen_at(const struct address *a)
{
	int one = 1, fd = new_socket(a, SOCK_STREAM);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const void *)&a->sa, a->len) || listen(fd, 16))
		die("listen");
}

static int listen_for_mix(void)
{
	struct address a = parse("::", "0");
	int off = 0, fd = new_socket(&a, SOCK_STREAM);

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (void *)&a.sa, a.len) || listen(fd, 4096))
		die("listen");
	return fd;
}

static int do_mix(int processes, int count)
{
	int listener = listen_for_mix(), port = local_port(listener), peer, gate[2];
	pid_t acceptor = fork();

	if (acceptor < 0)
		die("fork");
	if (acceptor == 0)
		for (;;) {
			peer = accept(listener, NULL, NULL);
			if (peer >= 0)
				close(peer);
		}
	/* All start when the last one is there. */
	if (pipe(gate))
		die("pipe");
	for (int p = 0; p < processes; p++) {
		pid_t child = fork();
		char byte;

		if (child < 0)
			die("fork");
		if (child > 0)
			continue;
		close(gate[1]);
		setvbuf(stdout, NULL, _IOLBF, 0); /* whole lines, from all of them */
		srand((unsigned)(p + 1));
		if (read(gate[0], &byte, 1))
			die("gate");
		for (int i = p; i < count; i += processes)
			mix_one(p, port);
		fflush(stdout);
		_exit(0);
	}
	close(gate[1]);
	for (int p = 0, status; p < processes; p++)
		if (wait(&status) < 0 || status)
			die("a process of the mix failed");
	kill(acceptor, SIGKILL);
	puts("done");
	hold();
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	const char *what = argc > 1 ? argv[1] : "";

	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (getenv("WAYS_LISTEN") && argc >= 4) {
		struct address a = parse(argv[argc - 2], argv[argc - 1]);

		listen_at(&a);
	}
	if (!strcmp(what, "reuse") && argc == 3)
		return do_reuse(argv[2]);
	if (!strcmp(what, "spread") && argc == 3)
		return do_spread(atoi(argv[2]));
	if (!strcmp(what, "mix") && argc == 4)
		return do_mix(atoi(argv[2]), atoi(argv[3]));
	if (!strcmp(what, "bound") && argc == 5)
		return do_bound(argv[2], argv[3], argv[4]);
	if (!strcmp(what, "name") && argc == 5)
		return do_name(argv[2], parse(argv[3], argv[4]));
	if (argc == 4) {
		struct address a = parse(argv[2], argv[3]);

		if (!strcmp(what, "thread"))
			return do_thread(a);
		if (!strcmp(what, "fastopen"))
			return do_fastopen(a, 0);
		if (!strcmp(what, "fastopen-later"))
			return do_fastopen(a, 1);
		if (!strcmp(what, "uring-connect"))
			return do_uring_connect(a, SOCK_STREAM);
		if (!strcmp(what, "uring-udp-connect"))
			return do_uring_connect(a, SOCK_DGRAM);
		if (!strcmp(what, "uring-accept"))
			return do_uring_accept(a);
		if (!strcmp(what, "absent-arguments"))
			return do_absent_arguments(a);
		if (!strcmp(what, "wide-udp-connect"))
			return do_wide_connect(a);
		if (!strcmp(what, "int80-udp-connect"))
			return do_int80_connect(a);
		if (!strcmp(what, "leaderless"))
			return do_leaderless(a);
		if (!strcmp(what, "uring-send"))
			return do_uring_send(a);
		if (!strcmp(what, "sendmmsg"))
			return do_sendmmsg(argv[2], argv[3]);
		if (!strcmp(what, "gso"))
			return do_gso(a);
		if (!strcmp(what, "fork"))
			return do_fork(a);
		if (!strcmp(what, "pass"))
			return do_pass(a);
	}
	fprintf(stderr, "ways: see the top of test/ways.c for the commands\n");
	return 2;
}

// SPDX-License-Identifier: MIT
/*
 * load WORKERS RATE SECONDS: TCP connections on loopback at a steady rate, from several
 * processes, each reset at once. Prints "ready PORT"; at the end, or at end of file on
 * standard input, "SOURCE_PORT PID" for each port that was used, with its last process,
 * then "done CONNECTIONS".
 */
#include "child.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 64

static struct shared {
	uint32_t pid[65536]; /* by source port; a port is free again only after it is noted */
	uint32_t count[WORKERS_MAX];
	volatile int stop;
} * shared;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void wait_until(int64_t when)
{
	struct timespec t = { .tv_sec = when / 1000000000, .tv_nsec = when % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void connect_once(const struct sockaddr_in *server, int worker)
{
	const struct linger reset = { .l_onoff = 1 };
	struct sockaddr_in own;
	socklen_t len = sizeof(own);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	if (connect(fd, (const struct sockaddr *)server, sizeof(*server)))
		die("connect");
	if (getsockname(fd, (struct sockaddr *)&own, &len))
		die("getsockname");
	shared->pid[ntohs(own.sin_port)] = (uint32_t)getpid();
	shared->count[worker]++;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static void work(const struct sockaddr_in *server, int worker, double rate, double seconds)
{
	int64_t start = now_ns(), step = (int64_t)(1e9 / rate), when = start;

	while (!shared->stop && when < start + (int64_t)(seconds * 1e9)) {
		connect_once(server, worker);
		when += step;
		/* One that can't keep up does what it can. */
		if (when > now_ns())
			wait_until(when);
		else if (when < now_ns() - 1000000000)
			when = now_ns();
	}
	_exit(0);
}

static void serve(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			close(fd);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	uint32_t total = 0;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t server;
	int workers, running, status;

	if (argc != 4 || (workers = atoi(argv[1])) < 1 || workers > WORKERS_MAX)
		return 2;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 4096) ||
	    getsockname(listener, (struct sockaddr *)&address, &len))
		die("listen");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		die("mmap");
	server = start();
	if (server == 0)
		serve(listener);
	printf("ready %u\n", ntohs(address.sin_port));
	fflush(stdout);
	for (int i = 0; i < workers; i++)
		if (start() == 0)
			work(&address, i, atof(argv[2]) / workers, atof(argv[3]));
	running = workers;
	while (running > 0) {
		struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

		if (!shared->stop && poll(&in, 1, 50) > 0)
			shared->stop = 1;
		while (waitpid(-1, &status, shared->stop ? 0 : WNOHANG) > 0) {
			if (status != 0)
				die("a worker failed");
			if (--running == 0)
				break;
		}
	}
	kill(server, SIGKILL);
	for (int i = 0; i < workers; i++)
		total += shared->count[i];
	for (int port = 1; port < 65536; port++)
		if (shared->pid[port])
			printf("%d %u\n", port, shared->pid[port]);
	printf("done %u\n", total);
	return 0;
}

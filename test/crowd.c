// SPDX-License-Identifier: MIT
/*
 * crowd: many connections of one process, and many processes with one connection each, on
 * loopback. For test/soak/processes.sh.
 *
 *   connections COUNT            open COUNT connections, one after the other
 *   processes COUNT PARENTS DIR  start COUNT processes, one after the other in each of
 *                                PARENTS; number N runs DIR/one-M, M being N modulo
 *                                EXECUTABLES, a copy of this program, and its parent is
 *                                called "parent-M", M being N modulo PARENTS
 *   one NUMBER PORT PADDING      what each of these processes is: it opens one connection
 *
 * Each connection goes to an address of its own, 127.16.0.0 and on, and is reset at once. It
 * is told in a line "tcp DST SRC_PORT DST_PORT PID", and of these processes "PARENT NUMBER"
 * behind it. Standard output must be a file that is appended to. Exit 1 with a message when
 * a call fails.
 */
#define _GNU_SOURCE
#include "child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXECUTABLES 16
#define PADDING_MOST 150 /* the paths and this stay below what is kept of the arguments */

extern char **environ;

/* Open connection NUMBER and put its line, without the end, into LINE. */
static int connect_once(unsigned number, uint16_t port, char line[128])
{
	const struct linger reset = { .l_onoff = 1 };
	struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons(port) }, own;
	socklen_t len = sizeof(own);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	server.sin_addr.s_addr = htonl(0x7f100000u + number);
	if (fd < 0)
		die("socket");
	if (connect(fd, (const struct sockaddr *)&server, sizeof(server)))
		die("connect");
	if (getsockname(fd, (struct sockaddr *)&own, &len))
		die("getsockname");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	return sprintf(line, "tcp %s %u %u %d", inet_ntoa(server.sin_addr), ntohs(own.sin_port),
		       port, getpid());
}

/* In one call, so that the lines of several processes do not mix. */
static void tell(const char *line, int len)
{
	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		die("write");
}

/* A process that accepts at every address. */
static pid_t start_server(uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 4096) ||
	    getsockname(listener, (struct sockaddr *)&address, &len))
		die("listen");
	*port = ntohs(address.sin_port);
	pid = start();
	while (pid == 0) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			close(fd);
	}
	close(listener);
	return pid;
}

static int do_connections(unsigned count, uint16_t port)
{
	char line[128];

	for (unsigned i = 0; i < count; i++) {
		int len = connect_once(i, port, line);

		line[len++] = '\n';
		tell(line, len);
	}
	return 0;
}

static void run_one(unsigned number, uint16_t port, const char *dir)
{
	char path[4096], number_text[16], port_text[8], padding[PADDING_MOST + 1] = "";
	char word[] = "one", *argv[] = { path, word, number_text, port_text, padding, NULL };
	pid_t pid;
	int status;

	snprintf(path, sizeof(path), "%s/one-%u", dir, number % EXECUTABLES);
	sprintf(number_text, "%u", number);
	sprintf(port_text, "%u", port);
	memset(padding, 'x', 1 + number % PADDING_MOST);
	errno = posix_spawn(&pid, path, NULL, NULL, argv, environ);
	if (errno)
		die(path);
	if (waitpid(pid, &status, 0) != pid || status)
		die("a process failed");
}

static int do_processes(unsigned count, unsigned parents, const char *dir, uint16_t port)
{
	char name[16];
	int status;

	for (unsigned i = 0; i < parents; i++) {
		if (start())
			continue;
		snprintf(name, sizeof(name), "parent-%u", i);
		prctl(PR_SET_NAME, name);
		for (unsigned number = i; number < count; number += parents)
			run_one(number, port, dir);
		_exit(0);
	}
	for (unsigned i = 0; i < parents; i++)
		if (wait(&status) < 0 || status)
			die("a parent failed");
	return 0;
}

static int do_one(const char *number, const char *port)
{
	char line[160];
	int len = connect_once((unsigned)atoi(number), (uint16_t)atoi(port), line);

	len += sprintf(line + len, " %d %s\n", getppid(), number);
	tell(line, len);
	return 0;
}

int main(int argc, char **argv)
{
	uint16_t port;
	pid_t server;
	int rc = 2;

	if (argc == 5 && !strcmp(argv[1], "one"))
		return do_one(argv[2], argv[3]);
	server = start_server(&port);
	if (argc == 3 && !strcmp(argv[1], "connections"))
		rc = do_connections((unsigned)atoi(argv[2]), port);
	if (argc == 5 && !strcmp(argv[1], "processes"))
		rc = do_processes((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]), argv[4], port);
	kill(server, SIGKILL);
	return rc;
}

// SPDX-License-Identifier: MIT
/*
 * requests: how long does an HTTP request take on a connection of its own?
 *
 * From connect(2) to the server's end of file, by the wall clock. Each server is
 * asked once a round and reported on beside the first. An answer counts when its
 * status is 200 and it has the word that was asked for.
 */
#include "measure.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#define WARM_UP 5 /* rounds that do not count */
#define SERVERS_MAX 4
#define ARGUMENTS 4 /* of each server */

struct server {
	const char *name;
	struct sockaddr_in address;
	const char *path;
	const char *word;
	int64_t *samples;
};

static void check_answer(const struct server *server, const char *answer)
{
	errno = EPROTO;
	if (strncmp(answer, "HTTP/1.", 7) != 0 || strncmp(answer + 8, " 200 ", 5) != 0)
		die("no answer with status 200 from", server->name);
	if (!strstr(answer, server->word))
		die("not what was asked for from", server->name);
}

static int64_t ask_ns(const struct server *server)
{
	static char answer[1 << 20];
	char request[256];
	size_t used = 0;
	ssize_t n;
	int64_t start;
	int fd, len;

	len = snprintf(request, sizeof(request),
		       "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
		       server->path);
	start = now_ns(CLOCK_MONOTONIC);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&server->address, sizeof(server->address)))
		die("cannot connect to", server->name);
	if (write(fd, request, (size_t)len) != len)
		die("cannot ask", server->name);
	while ((n = read(fd, answer + used, sizeof(answer) - 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		die("cannot read from", server->name);
	close(fd);
	start = now_ns(CLOCK_MONOTONIC) - start;
	answer[used] = '\0';
	check_answer(server, answer);
	return start;
}

int main(int argc, char **argv)
{
	struct server servers[SERVERS_MAX];
	unsigned order[SERVERS_MAX], rounds, count = (unsigned)(argc - 2) / ARGUMENTS;

	if (argc < 2 + ARGUMENTS || (argc - 2) % ARGUMENTS != 0 || count > SERVERS_MAX) {
		fputs("usage: requests ROUNDS (NAME PORT PATH WORD)...\n", stderr);
		return 2;
	}
	rounds = count_argument(argv[1]);
	for (unsigned i = 0; i < count; i++) {
		char **argument = argv + 2 + i * ARGUMENTS;

		servers[i] = (struct server) {
			.name = argument[0],
			.address = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				     .sin_port = htons((uint16_t)count_argument(argument[1])) },
			.path = argument[2],
			.word = argument[3],
			.samples = allocate(rounds, sizeof(int64_t)),
		};
	}
	for (unsigned round = 0; round < rounds + WARM_UP; round++) {
		shuffle(order, count);
		for (unsigned i = 0; i < count; i++) {
			struct server *server = &servers[order[i]];
			int64_t ns = ask_ns(server);

			if (round >= WARM_UP)
				server->samples[round - WARM_UP] = ns;
		}
	}
	for (unsigned i = 0; i < count; i++)
		report(servers[i].name, servers[i].samples, servers[0].samples, rounds);
	return fflush(stdout) ? 1 : 0;
}

// SPDX-License-Identifier: MIT
/*
 * connections: hold many loopback connections open, both ends here.
 *
 * Prints the source and the destination port of the last one when all stand,
 * then waits to be killed, or until the shell that started it is gone.
 */
#include "measure.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS_BESIDE 16 /* standard streams, the listener, what was inherited */

static int listen_somewhere(struct sockaddr_in *address)
{
	socklen_t len = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)address, len) || listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)address, &len))
		die("cannot listen at", "127.0.0.1");
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in client;
	socklen_t len = sizeof(client);
	struct rlimit limit;
	unsigned count;
	int listener, last = -1;

	if (argc != 2) {
		fputs("usage: connections COUNT\n", stderr);
		return 2;
	}
	count = count_argument(argv[1]);
	limit.rlim_cur = limit.rlim_max = 2 * count + DESCRIPTORS_BESIDE;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("cannot have as many descriptors for connections as", argv[1]);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	listener = listen_somewhere(&address);
	for (unsigned i = 0; i < count; i++) {
		last = socket(AF_INET, SOCK_STREAM, 0);
		if (last < 0 || connect(last, (struct sockaddr *)&address, sizeof(address)) ||
		    accept(listener, NULL, NULL) < 0)
			die("cannot hold connections, as many as", argv[1]);
	}
	if (getsockname(last, (struct sockaddr *)&client, &len))
		die("cannot tell", "the last port");
	printf("%u %u\n", ntohs(client.sin_port), ntohs(address.sin_port));
	fflush(stdout);
	return pause();
}

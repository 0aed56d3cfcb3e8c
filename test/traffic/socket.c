// SPDX-License-Identifier: MIT
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

socklen_t parse(struct sockaddr_storage *sa, const char *address, const char *port)
{
	struct sockaddr_in *sin = (void *)sa;
	struct sockaddr_in6 *sin6 = (void *)sa;

	memset(sa, 0, sizeof(*sa));
	if (strchr(address, ':')) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons((uint16_t)atoi(port));
		if (inet_pton(AF_INET6, address, &sin6->sin6_addr) != 1)
			die(address);
		return sizeof(*sin6);
	}
	sin->sin_family = AF_INET;
	sin->sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, address, &sin->sin_addr) != 1)
		die(address);
	return sizeof(*sin);
}

int local_port(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (void *)&sa, &len))
		die("getsockname");
	/* The port is at the same place in both. */
	return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

int new_socket(const struct sockaddr_storage *sa, int type)
{
	int fd = socket(sa->ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

int listener(const struct sockaddr_storage *sa, socklen_t len)
{
	int one = 1, off = 0, fd = new_socket(sa, SOCK_STREAM);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sa->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (const void *)sa, len) || listen(fd, 4096))
		die("listen");
	return fd;
}

void bind_somewhere(int fd, struct sockaddr_storage *sa, socklen_t *len)
{
	if (bind(fd, (void *)sa, *len))
		die("bind");
	*len = sizeof(*sa);
	if (getsockname(fd, (void *)sa, len))
		die("getsockname");
}

int listen_at(const char *address, struct sockaddr_storage *sa, socklen_t *len)
{
	const struct sockaddr_in6 *bound = (void *)sa;
	int server;

	/* One for :: takes mapped connects, too. */
	*len = parse(sa, strchr(address, ':') ? "::" : address, "0");
	server = listener(sa, *len);
	*len = sizeof(*sa);
	if (getsockname(server, (void *)sa, len))
		die("getsockname");
	if (strchr(address, ':')) {
		char port[8];

		snprintf(port, sizeof(port), "%d", ntohs(bound->sin6_port));
		*len = parse(sa, address, port);
	}
	return server;
}

int listen_somewhere(struct sockaddr_storage *sa, socklen_t *len)
{
	return listen_at("127.0.0.1", sa, len);
}

int connect_pair(int server, const struct sockaddr_storage *sa, socklen_t len, int *peer)
{
	int client = new_socket(sa, SOCK_STREAM);

	if (connect(client, (const void *)sa, len))
		die("connect");
	*peer = accept(server, NULL, NULL);
	if (*peer < 0)
		die("accept");
	return client;
}

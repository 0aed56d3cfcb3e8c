// SPDX-License-Identifier: MIT
/*
 * traffic: real sockets for the tests, on loopback.
 *
 *   listen ADDR PORT            accept and keep every connection; prints "ready"
 *   connect ADDR PORT [nonblock]  open one, print "PID SRC_PORT", hold it until
 *                               standard input ends
 *   send ADDR PORT [COUNT]      COUNT datagrams (1) from one unbound socket, then
 *                               print "PID SRC_PORT" and hold it
 *   sendmsg-tos ADDR PORT [TO]  connect a UDP socket to PORT and send with a control
 *                               message; to port TO when given; print, hold
 *   udp-connect ADDR PORT [send]  connect a UDP socket, send() on it when told, print,
 *                               hold
 *   fan ADDR PORT COUNT         one datagram each from COUNT sockets, a source port a
 *                               line, then "done"
 *   open COUNT                  COUNT times connect, accept, close in order
 *   self COUNT                  COUNT sockets that connect to themselves
 *   refuse COUNT                COUNT connects to a port where nobody listens
 *   reset COUNT                 COUNT times connect, accept, reset by the client
 *   late COUNT                  COUNT connections closed by the client, whose server
 *                               sends after: a TIME_WAIT socket answers with a reset;
 *   late COUNT linger           so long a TCP_LINGER2 that the full socket does
 *   try connect|send ADDR PORT  print "ok" or the errno text
 *   try-socket raw|ping 4|6     make one; print "ok" or the errno text
 *
 * An address with a colon makes an AF_INET6 socket, ::ffff:a.b.c.d too. Port 0 of
 * listen prints "ready PORT". Exit 1 with a message when a call fails.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static socklen_t parse(struct sockaddr_storage *sa, const char *address, const char *port)
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

static int local_port(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (void *)&sa, &len))
		die("getsockname");
	/* The port is at the same place in both. */
	return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

static int new_socket(const struct sockaddr_storage *sa, int type)
{
	int fd = socket(sa->ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void report_and_hold(int fd)
{
	char byte;

	printf("%d %d\n", (int)getpid(), local_port(fd));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static int listener(const struct sockaddr_storage *sa, socklen_t len)
{
	int one = 1, off = 0, fd = new_socket(sa, SOCK_STREAM);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sa->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (const void *)sa, len) || listen(fd, 4096))
		die("listen");
	return fd;
}

static int do_listen(const char *address, const char *port)
{
	struct sockaddr_storage sa;
	socklen_t len = parse(&sa, address, port);
	int fd = listener(&sa, len);

	printf("ready %d\n", local_port(fd));
	fflush(stdout);
	while (accept(fd, NULL, NULL) >= 0)
		;
	die("accept");
	return 1;
}

static int do_connect(const char *address, const char *port, int nonblock)
{
	struct sockaddr_storage sa;
	socklen_t len = parse(&sa, address, port);
	int error = 0, fd = new_socket(&sa, SOCK_STREAM | (nonblock ? SOCK_NONBLOCK : 0));
	socklen_t error_len = sizeof(error);

	if (connect(fd, (void *)&sa, len)) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (!nonblock || errno != EINPROGRESS)
			die("connect");
		if (poll(&p, 1, 5000) != 1 ||
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) || error)
			die("connect in the background");
	}
	report_and_hold(fd);
	return 0;
}

static int do_send(const char *address, const char *port, int count)
{
	struct sockaddr_storage sa;
	socklen_t len = parse(&sa, address, port);
	int fd = new_socket(&sa, SOCK_DGRAM);

	for (int i = 0; i < count; i++)
		if (sendto(fd, "x", 1, 0, (void *)&sa, len) != 1)
			die("sendto");
	report_and_hold(fd);
	return 0;
}

static int do_sendmsg_tos(const char *address, const char *port, const char *to)
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
	struct sockaddr_storage sa;
	socklen_t len = parse(&sa, address, port);
	int tos = 4, v6 = strchr(address, ':') && strncmp(address, "::ffff:", 7);
	int fd = new_socket(&sa, SOCK_DGRAM);

	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	control.header.cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	control.header.cmsg_type = v6 ? IPV6_TCLASS : IP_TOS;
	memcpy(CMSG_DATA(&control.header), &tos, sizeof(tos));
	if (connect(fd, (void *)&sa, len))
		die("connect");
	if (to) {
		msg.msg_name = &sa;
		msg.msg_namelen = parse(&sa, address, to);
	}
	if (sendmsg(fd, &msg, 0) != 1)
		die("sendmsg");
	report_and_hold(fd);
	return 0;
}

static int do_udp_connect(const char *address, const char *port, int sending)
{
	struct sockaddr_storage sa;
	socklen_t len = parse(&sa, address, port);
	int fd = new_socket(&sa, SOCK_DGRAM);

	if (connect(fd, (void *)&sa, len))
		die("connect");
	if (sending && send(fd, "x", 1, 0) != 1)
		die("send");
	report_and_hold(fd);
	return 0;
}

static int do_fan(const char *address, const char *port, int count)
{
	struct sockaddr_storage sa;
	socklen_t len = parse(&sa, address, port);

	for (int i = 0; i < count; i++) {
		int fd = new_socket(&sa, SOCK_DGRAM);

		if (sendto(fd, "x", 1, 0, (void *)&sa, len) != 1)
			die("sendto");
		printf("%d\n", local_port(fd));
		close(fd);
	}
	puts("done");
	return 0;
}

/* A listener on a port that the kernel chose; where, in SA. */
static int listen_somewhere(struct sockaddr_storage *sa, socklen_t *len)
{
	int server;

	*len = parse(sa, "127.0.0.1", "0");
	server = listener(sa, *len);
	*len = sizeof(*sa);
	if (getsockname(server, (void *)sa, len))
		die("getsockname");
	return server;
}

/* A connection to it: the client's socket, and the server's in PEER. */
static int connect_pair(int server, const struct sockaddr_storage *sa, socklen_t len, int *peer)
{
	int client = new_socket(sa, SOCK_STREAM);

	if (connect(client, (const void *)sa, len))
		die("connect");
	*peer = accept(server, NULL, NULL);
	if (*peer < 0)
		die("accept");
	return client;
}

enum ending { CLOSE_BOTH, RESET_BY_CLIENT };

static int do_connections(int count, enum ending ending)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct sockaddr_storage sa;
	socklen_t len;
	int server = listen_somewhere(&sa, &len);
	char byte;

	for (int i = 0; i < count; i++) {
		int peer, client = connect_pair(server, &sa, len, &peer);

		if (ending == RESET_BY_CLIENT)
			setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(client);
		/* The end, or ECONNRESET, has arrived when this returns. */
		if (read(peer, &byte, 1) > 0)
			die("unexpected data");
		close(peer);
	}
	close(server);
	return 0;
}

static int do_late(int count, int linger)
{
	/* Over the 60 s of TIME_WAIT, FIN_WAIT2 keeps its socket: tcp_fin_time(). */
	int linger2 = 120;
	struct sockaddr_storage sa;
	socklen_t len;
	int server = listen_somewhere(&sa, &len);
	int *peers = calloc((size_t)count, sizeof(*peers));
	char byte;

	if (!peers)
		die("calloc");
	for (int i = 0; i < count; i++) {
		int client = connect_pair(server, &sa, len, &peers[i]);

		if (linger &&
		    setsockopt(client, IPPROTO_TCP, TCP_LINGER2, &linger2, sizeof(linger2)))
			die("TCP_LINGER2");
		close(client);
	}
	/* Longer than a delayed acknowledgement: each client is in FIN_WAIT2 then. */
	usleep(500 * 1000);
	for (int i = 0; i < count; i++) {
		struct pollfd p = { .fd = peers[i], .events = POLLERR };

		if (write(peers[i], "x", 1) != 1)
			die("write");
		if (poll(&p, 1, 5000) != 1 || read(peers[i], &byte, 1) > 0)
			die("no reset came");
		close(peers[i]);
	}
	return 0;
}

static int do_self(int count)
{
	for (int i = 0; i < count; i++) {
		struct sockaddr_storage sa;
		socklen_t len = parse(&sa, "127.0.0.1", "0");
		int fd = new_socket(&sa, SOCK_STREAM);

		if (bind(fd, (void *)&sa, len))
			die("bind");
		len = sizeof(sa);
		if (getsockname(fd, (void *)&sa, &len) || connect(fd, (void *)&sa, len))
			die("connect to itself");
		close(fd);
	}
	return 0;
}

static int do_refuse(int count)
{
	struct sockaddr_storage sa;
	socklen_t len = parse(&sa, "127.0.0.1", "0");
	/* Bound and not listening: nobody else gets the port meanwhile. */
	int guard = new_socket(&sa, SOCK_STREAM);

	if (bind(guard, (void *)&sa, len))
		die("bind");
	len = sizeof(sa);
	if (getsockname(guard, (void *)&sa, &len))
		die("getsockname");
	for (int i = 0; i < count; i++) {
		int client = new_socket(&sa, SOCK_STREAM);

		if (connect(client, (void *)&sa, len) == 0 || errno != ECONNREFUSED)
			die("connect was not refused");
		close(client);
	}
	return 0;
}

static int do_try(const char *how, const char *address, const char *port)
{
	struct sockaddr_storage sa;
	socklen_t len = parse(&sa, address, port);
	int rc;

	if (strcmp(how, "connect") == 0)
		rc = connect(new_socket(&sa, SOCK_STREAM), (void *)&sa, len);
	else
		rc = sendto(new_socket(&sa, SOCK_DGRAM), "x", 1, 0, (void *)&sa, len) == 1 ? 0 : -1;
	puts(rc ? strerror(errno) : "ok");
	return 0;
}

static int do_try_socket(const char *kind, const char *version)
{
	int v6 = strcmp(version, "6") == 0;

	if (socket(v6 ? AF_INET6 : AF_INET, strcmp(kind, "raw") ? SOCK_DGRAM : SOCK_RAW,
		   v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) < 0)
		puts(strerror(errno));
	else
		puts("ok");
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	const char *what = argc > 1 ? argv[1] : "";

	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (!strcmp(what, "listen") && argc == 4)
		return do_listen(argv[2], argv[3]);
	if (!strcmp(what, "connect") && (argc == 4 || argc == 5))
		return do_connect(argv[2], argv[3], argc == 5);
	if (!strcmp(what, "send") && (argc == 4 || argc == 5))
		return do_send(argv[2], argv[3], argc == 5 ? atoi(argv[4]) : 1);
	if (!strcmp(what, "sendmsg-tos") && (argc == 4 || argc == 5))
		return do_sendmsg_tos(argv[2], argv[3], argc == 5 ? argv[4] : NULL);
	if (!strcmp(what, "udp-connect") && (argc == 4 || argc == 5))
		return do_udp_connect(argv[2], argv[3], argc == 5);
	if (!strcmp(what, "fan") && argc == 5)
		return do_fan(argv[2], argv[3], atoi(argv[4]));
	if (!strcmp(what, "open") && argc == 3)
		return do_connections(atoi(argv[2]), CLOSE_BOTH);
	if (!strcmp(what, "reset") && argc == 3)
		return do_connections(atoi(argv[2]), RESET_BY_CLIENT);
	if (!strcmp(what, "self") && argc == 3)
		return do_self(atoi(argv[2]));
	if (!strcmp(what, "refuse") && argc == 3)
		return do_refuse(atoi(argv[2]));
	if (!strcmp(what, "late") && (argc == 3 || argc == 4))
		return do_late(atoi(argv[2]), argc == 4);
	if (!strcmp(what, "try-socket") && argc == 4)
		return do_try_socket(argv[2], argv[3]);
	if (!strcmp(what, "try") && argc == 5)
		return do_try(argv[2], argv[3], argv[4]);
	fprintf(stderr, "traffic: see the top of test/traffic.c for the commands\n");
	return 2;
}

// SPDX-License-Identifier: MIT
/* One socket, held until it has been asked about; or tried. */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void report_and_hold(int fd)
{
	char byte;

	printf("%d %d\n", (int)getpid(), local_port(fd));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
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
	static const struct {
		const char *name;
		int type, v4, v6;
	} kinds[] = {
		{ "raw", SOCK_RAW, IPPROTO_ICMP, IPPROTO_ICMPV6 },
		{ "ping", SOCK_DGRAM, IPPROTO_ICMP, IPPROTO_ICMPV6 },
		{ "udplite", SOCK_DGRAM, IPPROTO_UDPLITE, IPPROTO_UDPLITE },
		{ "tcp", SOCK_STREAM, 0, 0 },
		{ "udp", SOCK_DGRAM, 0, 0 },
		{ "mptcp", SOCK_STREAM, IPPROTO_MPTCP, IPPROTO_MPTCP },
	};
	int v6 = strcmp(version, "6") == 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(kinds[i].name, kind) != 0)
			continue;
		if (socket(v6 ? AF_INET6 : AF_INET, kinds[i].type, v6 ? kinds[i].v6 : kinds[i].v4) <
		    0)
			puts(strerror(errno));
		else
			puts("ok");
		return 0;
	}
	return 2;
}

int hold_command(int argc, char **argv)
{
	const char *what = argv[1];

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
	if (!strcmp(what, "try-socket") && argc == 4)
		return do_try_socket(argv[2], argv[3]);
	if (!strcmp(what, "try") && argc == 5)
		return do_try(argv[2], argv[3], argv[4]);
	return NOT_MINE;
}

// SPDX-License-Identifier: MIT
/* One socket, held until it has been asked about; or tried. */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/* A socket of KIND, or -1 with errno; exits when there is no such kind. */
static int socket_of_kind(const char *kind, const char *version)
{
	static const struct {
		const char *name;
		int type, v4, v6;
		int family; /* 0: AF_INET or AF_INET6 */
	} kinds[] = {
		{ "raw", SOCK_RAW, IPPROTO_ICMP, IPPROTO_ICMPV6, 0 },
		{ "raw-own", SOCK_RAW, 253, 253, 0 }, /* for experiments, RFC 3692 */
		{ "ping", SOCK_DGRAM, IPPROTO_ICMP, IPPROTO_ICMPV6, 0 },
		{ "udplite", SOCK_DGRAM, IPPROTO_UDPLITE, IPPROTO_UDPLITE, 0 },
		{ "sctp", SOCK_STREAM, IPPROTO_SCTP, IPPROTO_SCTP, 0 },
		{ "tcp", SOCK_STREAM, 0, 0, 0 },
		{ "udp", SOCK_DGRAM, 0, 0, 0 },
		{ "mptcp", SOCK_STREAM, IPPROTO_MPTCP, IPPROTO_MPTCP, 0 },
		{ "unix", SOCK_STREAM, 0, 0, AF_UNIX },
		{ "packet", SOCK_RAW, 0x0608 /* ARP, network order */, 0, AF_PACKET },
		{ "packet-old", SOCK_PACKET, 0x0608, 0, AF_INET },
		{ "xdp", SOCK_RAW, 0, 0, 44 /* AF_XDP */ },
		{ "vsock", SOCK_STREAM, 0, 0, AF_VSOCK },
	};
	int v6 = strcmp(version, "6") == 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].name, kind) == 0)
			return socket(kinds[i].family ? kinds[i].family
				      : v6	      ? AF_INET6
						      : AF_INET,
				      kinds[i].type, v6 ? kinds[i].v6 : kinds[i].v4);
	fprintf(stderr, "traffic: no kind %s\n", kind);
	exit(2);
}

static int do_try_socket(const char *kind, const char *version)
{
	puts(socket_of_kind(kind, version) < 0 ? strerror(errno) : "ok");
	return 0;
}

/* COUNT sockets, each open until standard input ends. */
static int do_hold_socket(const char *kind, const char *version, int count)
{
	struct stat st;
	char byte;
	int fd = -1;

	for (int i = 0; i < count; i++) {
		fd = socket_of_kind(kind, version);
		if (fd < 0)
			die("socket");
	}
	if (fstat(fd, &st))
		die("fstat");
	printf("%d %lu\n", (int)getpid(), (unsigned long)st.st_ino);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

/* COUNT sockets one after the other, of which each that EACH divides is left open. */
static int do_make_sockets(const char *kind, const char *version, int count, int each)
{
	for (int i = 0; i < count; i++) {
		int fd = socket_of_kind(kind, version);

		if (fd < 0)
			die("socket");
		if (i % each)
			close(fd);
	}
	return 0;
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
	if (!strcmp(what, "hold-socket") && (argc == 4 || argc == 5))
		return do_hold_socket(argv[2], argv[3], argc == 5 ? atoi(argv[4]) : 1);
	if (!strcmp(what, "make-sockets") && argc == 6)
		return do_make_sockets(argv[2], argv[3], atoi(argv[4]), atoi(argv[5]));
	if (!strcmp(what, "try") && argc == 5)
		return do_try(argv[2], argv[3], argv[4]);
	return NOT_MINE;
}

// SPDX-License-Identifier: MIT
/* So many connections that all go the same way. */
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_in_order(int client, int peer)
{
	char byte;

	close(client);
	/* The end, or ECONNRESET, has arrived when this returns. */
	if (read(peer, &byte, 1) > 0)
		die("unexpected data");
	close(peer);
}

enum ending { CLOSE_BOTH, RESET_BY_CLIENT };

static int do_connections(int count, enum ending ending, const char *address)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct sockaddr_storage sa;
	socklen_t len;
	int server = listen_at(address, &sa, &len);

	for (int i = 0; i < count; i++) {
		int peer, client = connect_pair(server, &sa, len, &peer);

		if (ending == RESET_BY_CLIENT)
			setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close_in_order(client, peer);
	}
	close(server);
	return 0;
}

static int do_mptcp(int count)
{
	struct sockaddr_storage sa;
	socklen_t len = parse(&sa, "127.0.0.1", "0");
	int server = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	if (server < 0)
		die("socket of MPTCP");
	bind_somewhere(server, &sa, &len);
	if (listen(server, 16))
		die("listen");
	for (int i = 0; i < count; i++) {
		int peer, client = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

		if (client < 0 || connect(client, (void *)&sa, len))
			die("connect by MPTCP");
		peer = accept(server, NULL, NULL);
		if (peer < 0)
			die("accept");
		close_in_order(client, peer);
	}
	close(server);
	return 0;
}

/* Needs net.ipv4.tcp_fastopen to be 3. */
static int do_fastopen(int count)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int queue = 16, server = listen_somewhere(&sa, &len);
	char bytes[2];

	if (setsockopt(server, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)))
		die("TCP_FASTOPEN");
	for (int i = 0; i < count + 1; i++) {
		int peer, client = new_socket(&sa, SOCK_STREAM);

		if (sendto(client, "x", 1, MSG_FASTOPEN, (void *)&sa, len) != 1)
			die("sendto with MSG_FASTOPEN");
		peer = accept(server, NULL, NULL);
		if (peer < 0 || read(peer, bytes, 1) != 1)
			die("accept or read");
		close(client);
		if (read(peer, bytes, 1) != 0)
			die("no end came");
		close(peer);
	}
	return 0;
}

static void send_all(int from, int to, size_t bytes)
{
	static char data[65536];

	while (bytes > 0) {
		size_t some = bytes < sizeof(data) ? bytes : sizeof(data);
		ssize_t n = send(from, data, some, MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			die("send");
		bytes -= n > 0 ? (size_t)n : 0;
		/* Whatever has come, so that the sender may go on. */
		while (n > 0 || bytes == 0) {
			ssize_t got = recv(to, data, sizeof(data), MSG_DONTWAIT);

			if (got < 0 && errno != EAGAIN)
				die("recv");
			if (got <= 0)
				break;
		}
		if (n < 0) {
			struct pollfd p[2] = { { .fd = from, .events = POLLOUT },
					       { .fd = to, .events = POLLIN } };

			if (poll(p, 2, 5000) < 1)
				die("poll");
			if (p[1].revents && recv(to, data, sizeof(data), MSG_DONTWAIT) < 0)
				die("recv");
		}
	}
}

static void read_to_the_end(int fd)
{
	static char data[65536];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		;
	if (n < 0)
		die("read");
}

static int do_carry(int count, size_t bytes, int slowly)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int server = listen_somewhere(&sa, &len);
	int *clients = calloc((size_t)count, sizeof(int)),
	    *peers = calloc((size_t)count, sizeof(int));
	char byte;

	if (!clients || !peers)
		die("calloc");
	for (int i = 0; i < count; i++) {
		clients[i] = connect_pair(server, &sa, len, &peers[i]);
		send_all(clients[i], peers[i], bytes);
		send_all(peers[i], clients[i], 2 * bytes);
	}
	if (slowly) {
		puts("carried");
		fflush(stdout);
		if (read(STDIN_FILENO, &byte, 1) < 0)
			die("standard input");
	}
	for (int i = 0; i < count; i++) {
		shutdown(clients[i], SHUT_WR);
		read_to_the_end(peers[i]);
		close(peers[i]);
		read_to_the_end(clients[i]);
		close(clients[i]);
	}
	return 0;
}

/* A listener whose queue is full: a SYN to it is dropped. */
static int listen_and_ignore(struct sockaddr_storage *sa, socklen_t *len)
{
	int fd;

	*len = parse(sa, "127.0.0.1", "0");
	fd = new_socket(sa, SOCK_STREAM);
	bind_somewhere(fd, sa, len);
	if (listen(fd, 0))
		die("listen");
	if (connect(new_socket(sa, SOCK_STREAM), (void *)sa, *len))
		die("the connect that fills the queue");
	return fd;
}

static int do_unanswered(int count, int abandon)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int timeout_ms = 900; /* ends with the first retransmission, after a second */
	int *clients = calloc((size_t)count, sizeof(*clients));

	if (!clients)
		die("calloc");
	listen_and_ignore(&sa, &len);
	for (int i = 0; i < count; i++) {
		clients[i] = new_socket(&sa, SOCK_STREAM | SOCK_NONBLOCK);
		if (setsockopt(clients[i], IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
			       sizeof(timeout_ms)))
			die("TCP_USER_TIMEOUT");
		if (connect(clients[i], (void *)&sa, len) == 0 || errno != EINPROGRESS)
			die("the SYN was answered");
		if (abandon)
			close(clients[i]);
	}
	for (int i = 0; i < count && !abandon; i++) {
		struct pollfd p = { .fd = clients[i], .events = POLLOUT };
		int error = 0;
		socklen_t error_len = sizeof(error);

		if (poll(&p, 1, 10000) != 1 ||
		    getsockopt(clients[i], SOL_SOCKET, SO_ERROR, &error, &error_len) ||
		    error != ETIMEDOUT)
			die("no timeout");
		close(clients[i]);
	}
	return 0;
}

/* The same four numbers twice: state SYN_SENT, then EADDRNOTAVAIL. */
static int do_taken(int count)
{
	struct sockaddr_storage sa, from;
	socklen_t len, from_len;
	int one = 1, first, server = listen_somewhere(&sa, &len);

	from_len = parse(&from, "127.0.0.1", "0");
	first = new_socket(&sa, SOCK_STREAM);
	setsockopt(first, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bind_somewhere(first, &from, &from_len);
	if (connect(first, (void *)&sa, len) || accept(server, NULL, NULL) < 0)
		die("connect");
	for (int i = 0; i < count; i++) {
		int fd = new_socket(&sa, SOCK_STREAM);

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (void *)&from, from_len))
			die("bind");
		if (connect(fd, (void *)&sa, len) == 0 || errno != EADDRNOTAVAIL)
			die("the port was not taken");
		close(fd);
	}
	return 0;
}

/* What it leaves open is closed when the process ends. */
static int do_states(void)
{
	struct sockaddr_storage sa, full;
	socklen_t len, full_len;
	int peer, client, server = listen_somewhere(&sa, &len);
	char byte;

	/* ESTABLISHED, twice each. */
	for (int i = 0; i < 3; i++)
		(void)connect_pair(server, &sa, len, &peer);
	/* FIN_WAIT2 and CLOSE_WAIT. */
	for (int i = 0; i < 2; i++) {
		client = connect_pair(server, &sa, len, &peer);
		shutdown(client, SHUT_WR);
		if (read(peer, &byte, 1) != 0)
			die("no end came");
	}
	/* TIME_WAIT. */
	for (int i = 0; i < 4; i++) {
		client = connect_pair(server, &sa, len, &peer);
		close(client);
		if (read(peer, &byte, 1) != 0)
			die("no end came");
		close(peer);
	}
	/* SYN_SENT, nonblocking, to a listener whose queue is full. */
	listen_and_ignore(&full, &full_len);
	for (int i = 0; i < 2; i++)
		(void)connect(new_socket(&full, SOCK_STREAM | SOCK_NONBLOCK), (void *)&full,
			      full_len);
	puts("held");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

/* Move this process into the cgroup at PATH. */
static void join(const char *path)
{
	char file[4096];
	int fd;

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	fd = open(file, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(file);
	close(fd);
}

static int do_cgroups(const char *dir, int count)
{
	struct sockaddr_storage sa;
	socklen_t len;
	char path[4000];
	int server;

	join(dir);
	server = listen_somewhere(&sa, &len);
	for (int i = 0; i < count; i++) {
		int peer, client;

		snprintf(path, sizeof(path), "%s/%d", dir, i);
		if (mkdir(path, 0755))
			die(path);
		join(path);
		client = connect_pair(server, &sa, len, &peer);
		join(dir);
		close(client);
		close(peer);
		if (rmdir(path))
			die(path);
	}
	return 0;
}

static int do_failing(const char *address, int count, int error)
{
	struct sockaddr_storage sa;
	socklen_t len = parse(&sa, address, "9");

	for (int i = 0; i < count; i++) {
		int fd = new_socket(&sa, SOCK_STREAM);

		if (connect(fd, (void *)&sa, len) == 0 || errno != error)
			die("connect did not fail as it should");
		close(fd);
	}
	return 0;
}

static uint16_t checksum(const void *bytes, size_t len)
{
	const uint16_t *words = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i < len / 2; i++)
		sum += words[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static int do_half_open(int count)
{
	struct sockaddr_storage sa;
	socklen_t len;
	struct {
		struct {
			uint32_t from, to;
			uint8_t zero, protocol;
			uint16_t len;
		} pseudo;
		struct tcphdr tcp;
	} syn;
	int raw;

	listen_somewhere(&sa, &len);
	raw = socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
	if (raw < 0)
		die("raw socket");
	for (int i = 0; i < count; i++) {
		memset(&syn, 0, sizeof(syn));
		syn.pseudo.from = syn.pseudo.to = htonl(INADDR_LOOPBACK);
		syn.pseudo.protocol = IPPROTO_TCP;
		syn.pseudo.len = htons(sizeof(syn.tcp));
		syn.tcp.th_sport = htons((uint16_t)(1024 + i));
		syn.tcp.th_dport = ((struct sockaddr_in *)&sa)->sin_port;
		syn.tcp.th_seq = htonl((uint32_t)i);
		syn.tcp.th_off = sizeof(syn.tcp) / 4;
		syn.tcp.th_flags = TH_SYN;
		syn.tcp.th_win = htons(1024);
		syn.tcp.th_sum = checksum(&syn, sizeof(syn));
		if (sendto(raw, &syn.tcp, sizeof(syn.tcp), 0, (void *)&sa, len) != sizeof(syn.tcp))
			die("sendto of a SYN");
	}
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

int case_command(int argc, char **argv)
{
	const char *what = argv[1];

	if (!strcmp(what, "open") && (argc == 3 || argc == 4))
		return do_connections(atoi(argv[2]), CLOSE_BOTH, argc == 4 ? argv[3] : "127.0.0.1");
	if (!strcmp(what, "reset") && argc == 3)
		return do_connections(atoi(argv[2]), RESET_BY_CLIENT, "127.0.0.1");
	if (!strcmp(what, "mptcp") && argc == 3)
		return do_mptcp(atoi(argv[2]));
	if (!strcmp(what, "fastopen") && argc == 3)
		return do_fastopen(atoi(argv[2]));
	if (!strcmp(what, "carry") && argc == 4)
		return do_carry(atoi(argv[2]), (size_t)atol(argv[3]), 0);
	if (!strcmp(what, "carry-slowly") && argc == 4)
		return do_carry(atoi(argv[2]), (size_t)atol(argv[3]), 1);
	if (!strcmp(what, "states") && argc == 2)
		return do_states();
	if (!strcmp(what, "cgroups") && argc == 4)
		return do_cgroups(argv[2], atoi(argv[3]));
	if (!strcmp(what, "unanswered") && argc == 3)
		return do_unanswered(atoi(argv[2]), 0);
	if (!strcmp(what, "abandoned") && argc == 3)
		return do_unanswered(atoi(argv[2]), 1);
	if (!strcmp(what, "taken") && argc == 3)
		return do_taken(atoi(argv[2]));
	if (!strcmp(what, "unreachable") && argc == 4)
		return do_failing(argv[2], atoi(argv[3]), EHOSTUNREACH);
	if (!strcmp(what, "no-route") && argc == 3)
		return do_failing("203.0.113.1", atoi(argv[2]), ENETUNREACH);
	if (!strcmp(what, "half-open") && argc == 3)
		return do_half_open(atoi(argv[2]));
	if (!strcmp(what, "self") && argc == 3)
		return do_self(atoi(argv[2]));
	if (!strcmp(what, "refuse") && argc == 3)
		return do_refuse(atoi(argv[2]));
	if (!strcmp(what, "late") && (argc == 3 || argc == 4))
		return do_late(atoi(argv[2]), argc == 4);
	return NOT_MINE;
}

// SPDX-License-Identifier: MIT
/*
 * When the server's address is known, the kernel is asked for one connection, by both
 * addresses and ports: that takes one look into its table. A server that listens at every
 * address does not learn which of them a client came to. Then the kernel goes through the
 * whole table, which takes a millisecond for each 300,000 of its slots, and each connection
 * from the client's address and port counts.
 */
#include "http_peer.h"

#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* include/net/tcp_states.h: no header of user space has them under these names. */
enum { ESTABLISHED = 1, FIN_WAIT1 = 4, FIN_WAIT2 = 5 };
/* The states of a client's socket that may still read an answer. */
#define STATES (1U << ESTABLISHED | 1U << FIN_WAIT1 | 1U << FIN_WAIT2)

/* The least that the kernel accepts for a dump; no message is longer. */
#define ANSWER_BYTES 8192
#define SEQUENCE 1

/* --- netlink ---------------------------------------------------------------- */

/* Send a request of LEN bytes. The socket that the answer will come to, or -errno. */
static int send_request(int protocol, const void *request, size_t len)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), rc;

	if (fd < 0)
		return -errno;
	if (send(fd, request, len, 0) == (ssize_t)len)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* Hand each message to TAKE for as long as it returns 1. Returns its 0, or -errno. */
static int read_answers(int fd, int (*take)(const struct nlmsghdr *message, void *context),
			void *context)
{
	static char answer[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct sockaddr_nl from = { 0 };
	struct iovec room = { .iov_base = answer, .iov_len = sizeof(answer) };
	struct msghdr header = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &room, .msg_iovlen = 1
	};
	const struct nlmsghdr *message;
	ssize_t n;
	int rc;

	for (;;) {
		n = recvmsg(fd, &header, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (header.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (from.nl_pid != 0) /* not the kernel */
			continue;
		for (message = (void *)answer; NLMSG_OK(message, (size_t)n);
		     message = NLMSG_NEXT(message, n)) {
			if (message->nlmsg_seq != SEQUENCE)
				continue;
			rc = take(message, context);
			if (rc <= 0)
				return rc;
		}
	}
}

/* The -errno of a message of type NLMSG_ERROR, or the 0 of one that confirms. */
static int error_of(const struct nlmsghdr *message)
{
	const struct nlmsgerr *error = NLMSG_DATA(message);

	return message->nlmsg_len < NLMSG_LENGTH(sizeof(*error)) ? -EPROTO : error->error;
}

static int ask(int protocol, const struct nlmsghdr *request,
	       int (*take)(const struct nlmsghdr *message, void *context), void *context)
{
	int fd = send_request(protocol, request, request->nlmsg_len), rc;

	if (fd < 0)
		return fd;
	rc = read_answers(fd, take, context);
	close(fd);
	return rc;
}

/* --- is it here? ------------------------------------------------------------ */

static int take_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *route = NLMSG_DATA(message);

	if (message->nlmsg_type == NLMSG_ERROR) {
		switch (error_of(message)) {
		/* There is no route, or one that forbids or drops: none leads to this host. */
		case -ENETUNREACH:
		case -EHOSTUNREACH:
		case -EACCES:
		case -EINVAL:
			return 0;
		default:
			return error_of(message);
		}
	}
	if (message->nlmsg_type != RTM_NEWROUTE ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*route)))
		return -EPROTO;
	*(bool *)context = route->rtm_type == RTN_LOCAL;
	return 0;
}

int peer_is_here(const struct address *address)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr attribute;
		uint8_t address[16];
	} request = { 0 };
	size_t len = address_is_v4(address) ? 4 : 16;
	bool is_local = false;
	int rc;

	/* Most clients come from these, for which the kernel need not be asked. */
	if (networks_have("127.0.0.0/8 ::1", address) == 1)
		return 1;
	request.attribute.rta_type = RTA_DST;
	request.attribute.rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(request.address, address->byte + 16 - len, len);
	request.route.rtm_family = len == 4 ? AF_INET : AF_INET6;
	request.route.rtm_dst_len = (unsigned char)(8 * len);
	request.header.nlmsg_type = RTM_GETROUTE;
	request.header.nlmsg_flags = NLM_F_REQUEST;
	request.header.nlmsg_seq = SEQUENCE;
	request.header.nlmsg_len =
		(uint32_t)(NLMSG_LENGTH(sizeof(request.route)) + RTA_LENGTH(len));
	rc = ask(NETLINK_ROUTE, &request.header, take_route, &is_local);
	return rc ? rc : is_local;
}

/* --- whose is it? ----------------------------------------------------------- */

struct owner {
	const struct peer *peer;
	unsigned count;
	uint32_t uid;
};

/* Whether the socket is the client's end of the connection. */
static bool is_from(const struct peer *peer, const struct inet_diag_msg *socket)
{
	struct address source = socket->idiag_family == AF_INET
					? address_from_v4(socket->id.idiag_src[0])
					: address_from_v6(socket->id.idiag_src);

	return socket->id.idiag_sport == htons(peer->port) &&
	       address_equal(&source, &peer->address);
}

static int take_socket(const struct nlmsghdr *message, void *context)
{
	const struct inet_diag_msg *socket = NLMSG_DATA(message);
	struct owner *owner = context;

	if (message->nlmsg_type == NLMSG_DONE)
		return 0;
	if (message->nlmsg_type == NLMSG_ERROR)
		return error_of(message);
	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*socket)))
		return -EPROTO;
	/* Asked for a connection that is not there, the kernel answers with a listener. */
	if (socket->idiag_state < 32 && STATES >> socket->idiag_state & 1 &&
	    is_from(owner->peer, socket)) {
		/* Of a socket that no process has, the kernel says 0 as the user: not root. */
		if (!socket->idiag_inode)
			return -ENOENT;
		if (owner->count++ && owner->uid != socket->idiag_uid)
			return -EMLINK;
		owner->uid = socket->idiag_uid;
	}
	return message->nlmsg_flags & NLM_F_MULTI ? 1 : 0;
}

/* Put an address into a request, where IPv4 has the first four bytes. */
static void set_address(__be32 to[4], const struct address *address)
{
	if (address_is_v4(address))
		to[0] = address_v4(address);
	else
		memcpy(to, address, sizeof(*address));
}

static int ask_sockets(struct owner *owner, int family, bool is_one)
{
	const struct peer *peer = owner->peer;
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 diag;
	} request = { 0 };

	request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request.header.nlmsg_flags = NLM_F_REQUEST | (is_one ? 0 : NLM_F_DUMP);
	request.header.nlmsg_seq = SEQUENCE;
	request.header.nlmsg_len = sizeof(request);
	request.diag.sdiag_family = (uint8_t)family;
	request.diag.sdiag_protocol = IPPROTO_TCP;
	request.diag.idiag_states = STATES;
	request.diag.id.idiag_sport = htons(peer->port);
	request.diag.id.idiag_dport = htons(peer->server_port);
	if (is_one) {
		set_address(request.diag.id.idiag_src, &peer->address);
		set_address(request.diag.id.idiag_dst, &peer->server);
		request.diag.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
		request.diag.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	}
	return ask(NETLINK_SOCK_DIAG, &request.header, take_socket, owner);
}

/*
 * In another user namespace the kernel shows each user by the number that this one maps it
 * to, or as nobody. The inode number of the initial one is fixed: PROC_USER_INIT_INO of
 * include/linux/proc_ns.h.
 */
static bool is_initial_user_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == 0xeffffffdU;
}

int peer_uid(const struct peer *peer, uint32_t *uid)
{
	struct owner owner = { .peer = peer };
	bool is_v4 = address_is_v4(&peer->address);
	int rc;

	if (!is_initial_user_namespace())
		return -EREMOTE;
	if (!address_is_any(&peer->server) && peer->server_port) {
		rc = ask_sockets(&owner, is_v4 ? AF_INET : AF_INET6, true);
	} else {
		/* An IPv4 connection may have a socket of either family. */
		rc = ask_sockets(&owner, AF_INET6, false);
		if (!rc && is_v4)
			rc = ask_sockets(&owner, AF_INET, false);
	}
	if (!rc && !owner.count)
		rc = -ENOENT;
	*uid = owner.uid;
	return rc;
}

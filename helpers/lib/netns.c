// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_NETNS "/proc/self/ns/net"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* include/uapi/asm-generic/socket.h, since 5.14 */
#endif

/* include/uapi/linux/nsfs.h, since 6.18: the cookie, without having to enter the namespace. */
#define NS_GET_ID _IOR(0xb7, 13, __u64)

/* The cookie of the namespace that this thread is in now, or 0. */
static __u64 cookie_here(void)
{
	/* Any socket tells it; the unit or container may not allow sockets of each family. */
	static const int families[] = { AF_INET, AF_UNIX, AF_INET6 };
	__u64 cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < sizeof(families) / sizeof(*families); i++)
		fd = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		cookie = 0;
	close(fd);
	return cookie;
}

__u64 own_netns_cookie(void)
{
	static __u64 cookie;

	if (!cookie)
		cookie = cookie_here();
	return cookie;
}

/* The cookie of another namespace, by entering it: that takes CAP_SYS_ADMIN in both. */
static __u64 cookie_there(int file, int own)
{
	__u64 cookie;

	if (setns(file, CLONE_NEWNET))
		return 0;
	cookie = cookie_here();
	/* A process that can't go back would answer for the wrong namespace from here on. */
	if (setns(own, CLONE_NEWNET))
		_exit(3);
	return cookie;
}

__u64 netns_cookie(int file)
{
	int own = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	__u64 cookie = 0, own_cookie = own_netns_cookie();
	struct stat a, b;

	if (own < 0)
		return 0;
	if (fstat(own, &a) == 0 && fstat(file, &b) == 0 && a.st_ino == b.st_ino &&
	    a.st_dev == b.st_dev)
		cookie = own_cookie;
	/* NS_GET_ID is to be believed when it gives the own namespace's cookie rightly. */
	else if (ioctl(own, NS_GET_ID, &cookie) || cookie != own_cookie ||
		 ioctl(file, NS_GET_ID, &cookie))
		cookie = cookie_there(file, own);
	close(own);
	return cookie;
}

bool is_own_address(const struct address *address)
{
	bool is_v4 = address_is_v4(address);
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_addr.s_addr = address_v4(address) };
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	/* An address is taken for an own one unless the kernel says that it is not. */
	if (fd < 0)
		return errno != EAFNOSUPPORT;
	memcpy(&to6.sin6_addr, address, sizeof(*address));
	rc = is_v4 ? bind(fd, (const struct sockaddr *)&to4, sizeof(to4))
		   : bind(fd, (const struct sockaddr *)&to6, sizeof(to6));
	rc = rc ? errno : 0;
	close(fd);
	return rc != EADDRNOTAVAIL;
}

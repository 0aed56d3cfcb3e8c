// SPDX-License-Identifier: MIT
#include "metrics_live.h"

#include "exposition.h"
#include "number.h"
#include "pins.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ITERATOR "links/on_read_sockets"
#define SOCKSTAT "/proc/self/net/sockstat" /* /proc/net may be missing: subset=pid */

/* In the order of include/net/tcp_states.h. NEW_SYN_RECV, the last, is counted as syn_recv. */
static const char *const names[TCP_STATES] = {
	NULL,	 "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait",
	"close", "close_wait",	"last_ack", "listen",	"closing",   NULL,
};
enum { SYN_RECV = 3, TIME_WAIT = 6, CLOSE = 7 };

int read_sockets(struct tcp_live *live)
{
	int fd = open_pin(ITERATOR);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, live, sizeof(*live));
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	return n == sizeof(*live) ? 0 : -EPROTO;
}

/* How many TCP sockets the kernel holds, without half-open and TIME_WAIT ones; 0: not known. */
static __u64 allocated(void)
{
	char text[1024], *p;
	ssize_t n;
	uint64_t count;
	int fd = open(SOCKSTAT, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	p = strstr(text, "TCP: ");
	p = p ? strstr(p, " alloc ") : NULL;
	if (!p)
		return 0;
	return scan_u64(p + strlen(" alloc "), &count) ? count : 0;
}

void print_sockets(const struct tcp_live *live)
{
	__u64 all = allocated(), others = 0;

	for (int state = 1; state < TCP_STATES; state++)
		if (state != TIME_WAIT && state != CLOSE)
			others += live->states[state];
	family(GAUGE, "tcp_connections", NULL,
	       "Sockets in each state now, in all network namespaces. close: all others that the "
	       "kernel holds, not connected yet or not any more.");
	for (int state = 1; state < TCP_STATES; state++) {
		__u64 n = live->states[state];

		if (!names[state] || (state == TIME_WAIT && !live->all_namespaces))
			continue;
		if (state == SYN_RECV)
			n += live->requests;
		else if (state == CLOSE)
			n = all > others ? all - others : 0;
		sample("");
		label("state", names[state]);
		value(n);
	}
}

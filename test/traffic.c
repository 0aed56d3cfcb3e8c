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
 *   open COUNT [ADDR]           COUNT times connect, accept, close in order, at 127.0.0.1
 *                               or ADDR, where a v6 one listens at :: for mapped ones too
 *   mptcp COUNT                 the same with MPTCP sockets
 *   fastopen COUNT              the same, the first byte in the SYN (twice: the first of
 *                               all only fetches the cookie)
 *   carry COUNT BYTES           the same, BYTES from the client, twice as many back
 *   carry-slowly COUNT BYTES    the same; print "carried" and wait for a line before they
 *                               close
 *   self COUNT                  COUNT sockets that connect to themselves
 *   refuse COUNT                COUNT connects to a port where nobody listens
 *   states                      hold sockets in every state but CLOSING and LAST_ACK; print
 *                               "held"; until standard input ends
 *   cgroups DIR COUNT           one connection from each of COUNT cgroups made below DIR,
 *                               which are removed again
 *   unanswered COUNT            COUNT connects whose SYN nobody answers, for a second
 *   abandoned COUNT             the same, closed at once
 *   taken COUNT                 COUNT connects from an address and port in use
 *   unreachable ADDR COUNT      COUNT connects to ADDR that end with EHOSTUNREACH
 *   half-open COUNT             COUNT SYNs without a socket behind: the answer is reset
 *   no-route COUNT              COUNT connects to a network without a route
 *   reset COUNT                 COUNT times connect, accept, reset by the client
 *   late COUNT                  COUNT connections closed by the client, whose server
 *                               sends after: a TIME_WAIT socket answers with a reset;
 *   late COUNT linger           so long a TCP_LINGER2 that the full socket does
 *   try connect|send ADDR PORT  print "ok" or the errno text
 *   try-socket KIND 4|6         make one of raw, raw-own, ping, udplite, sctp, tcp, udp, mptcp,
 *                               unix, packet, packet-old, xdp, vsock; print "ok" or the errno text
 *   hold-socket KIND 4|6 [COUNT]  make COUNT (1), print "PID INODE" of the last, hold all
 *   make-sockets KIND 4|6 COUNT N  make COUNT, and close each at once but every Nth
 *
 * An address with a colon makes an AF_INET6 socket, ::ffff:a.b.c.d too. Port 0 of
 * listen prints "ready PORT". Exit 1 with a message when a call fails.
 */
#include "traffic/socket.h"

#include <stdio.h>
#include <sys/resource.h>

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	int rc = NOT_MINE;

	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (argc > 1)
		rc = hold_command(argc, argv);
	if (argc > 1 && rc == NOT_MINE)
		rc = case_command(argc, argv);
	if (rc != NOT_MINE)
		return rc;
	fprintf(stderr, "traffic: see the top of test/traffic.c for the commands\n");
	return 2;
}

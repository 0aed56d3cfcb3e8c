/* SPDX-License-Identifier: MIT */
/* What the commands of traffic share. All that fails ends the program, with a message. */
#ifndef CONNPIN_TRAFFIC_SOCKET_H
#define CONNPIN_TRAFFIC_SOCKET_H

#include <sys/socket.h>

void die(const char *what);

socklen_t parse(struct sockaddr_storage *sa, const char *address, const char *port);

int local_port(int fd);

int new_socket(const struct sockaddr_storage *sa, int type);

int listener(const struct sockaddr_storage *sa, socklen_t len);

/* Bind to a port that the kernel chooses; where, in SA. */
void bind_somewhere(int fd, struct sockaddr_storage *sa, socklen_t *len);

/* A listener on a port that the kernel chose; where to connect, in SA. */
int listen_at(const char *address, struct sockaddr_storage *sa, socklen_t *len);

int listen_somewhere(struct sockaddr_storage *sa, socklen_t *len);

/* A connection to it: the client's socket, and the server's in PEER. */
int connect_pair(int server, const struct sockaddr_storage *sa, socklen_t len, int *peer);

/* The commands of a file: an exit status, or NOT_MINE. */
#define NOT_MINE -1
int hold_command(int argc, char **argv);
int case_command(int argc, char **argv);

#endif

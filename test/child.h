/* SPDX-License-Identifier: MIT */
/* For test programs that are several processes: each ends with the one that started it. */
#ifndef CONNPIN_TEST_CHILD_H
#define CONNPIN_TEST_CHILD_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* fork(2): 0 in the child. */
static pid_t start(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

#endif

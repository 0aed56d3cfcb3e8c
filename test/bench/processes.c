// SPDX-License-Identifier: MIT
/*
 * processes: how long does a whole process take, from vfork(2) to wait(2)?
 *
 * Runs each command once a round, by the wall clock, and reports on each beside the
 * first. All on one CPU: a child that starts on another one pays for waking it,
 * which says nothing of the child. vfork, because fork would add the price of
 * copying this process to each.
 */
#include "measure.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMANDS_MAX 8
#define WARM_UP 3 /* rounds that do not count */

struct command {
	const char *name;
	char **argv;
	int64_t *samples;
};

/* In a function of its own: a child of vfork may clobber the variables of the one that calls it. */
static pid_t start_command(const struct command *command, int null)
{
	pid_t pid = vfork();

	if (pid == 0) {
		dup2(null, STDOUT_FILENO);
		execv(command->argv[0], command->argv);
		_exit(127);
	}
	return pid;
}

static int64_t run_ns(const struct command *command, int null)
{
	int64_t start = now_ns(CLOCK_MONOTONIC);
	pid_t pid = start_command(command, null);
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die("cannot run", command->argv[0]);
	start = now_ns(CLOCK_MONOTONIC) - start;
	if (status) {
		fprintf(stderr, "bench: %s failed (wait status %d)\n", command->argv[0], status);
		exit(1);
	}
	return start;
}

/* NAME COMMAND [ARGUMENT...] -- NAME COMMAND... */
static unsigned parse_commands(char **argv, struct command *commands)
{
	unsigned count = 0;

	while (*argv && argv[1] && count < COMMANDS_MAX) {
		commands[count].name = argv[0];
		commands[count++].argv = argv + 1;
		while (*argv && strcmp(*argv, "--") != 0)
			argv++;
		if (*argv)
			*argv++ = NULL;
	}
	return count;
}

int main(int argc, char **argv)
{
	struct command commands[COMMANDS_MAX];
	unsigned order[COMMANDS_MAX], rounds, count;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (argc < 4) {
		fputs("usage: processes ROUNDS NAME COMMAND [ARGUMENT...] [-- NAME ...]\n", stderr);
		return 2;
	}
	if (null < 0)
		die("cannot open", "/dev/null");
	rounds = count_argument(argv[1]);
	count = parse_commands(argv + 2, commands);
	for (unsigned i = 0; i < count; i++)
		commands[i].samples = allocate(rounds, sizeof(int64_t));
	stay_on_this_cpu();
	for (unsigned round = 0; round < rounds + WARM_UP; round++) {
		shuffle(order, count);
		for (unsigned i = 0; i < count; i++) {
			struct command *command = &commands[order[i]];
			int64_t ns = run_ns(command, null);

			if (round >= WARM_UP)
				command->samples[round - WARM_UP] = ns;
		}
	}
	for (unsigned i = 0; i < count; i++)
		report(commands[i].name, commands[i].samples, commands[0].samples, rounds);
	return fflush(stdout) ? 1 : 0;
}

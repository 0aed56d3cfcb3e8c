// SPDX-License-Identifier: MIT
/*
 * run-httpd: run a busybox httpd for each address, and bound their clients.
 *
 * httpd listens at one address and starts a process for each client, which may stay for days
 * if it sends a byte a minute. This parent ends connections that are too old or too many, the
 * oldest first, and all servers when one of them ends. When the parent itself is killed, the
 * kernel kills the servers: see tie().
 */
#include "lib/clock.h"
#include "lib/number.h"
#include "lib/proc_stat.h"
#include "lib/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: run-httpd [-n CLIENTS] [-t SECONDS] [-u UID:GID] HOME CONF ADDRESS...\n"
	"\n"
	"Run \"busybox httpd\" at each ADDRESS (ADDRESS:PORT), with the document root HOME\n"
	"and the configuration file CONF, until a signal or until one of them ends.\n"
	"\n"
	"  -n CLIENTS  end the oldest connections when there are more, and let the user\n"
	"              have no more than two processes a client and 32\n"
	"  -t SECONDS  end connections that are older\n"
	"  -u UID:GID  become this user, once httpd has bound its port\n"
	"\n"
	"Exit status: 0 ended by a signal, 2 bad arguments, 3 a server ended.\n";

#define SERVERS_MAX 16
#define SPARE_PROCESSES 32	 /* for the servers, and for a burst between two looks */
#define CHILDREN_BYTES (1 << 20) /* room for a list of process ids as text */
#define CHILDREN_MAX 131072	 /* as many have room there, with 7 digits each */

static struct {
	uint64_t clients; /* 0: no bound */
	uint64_t seconds; /* 0: no bound */
	uint64_t uid, gid;
	bool become;
} settings;

static pid_t servers[SERVERS_MAX];
static int server_count;
/*
 * A pipe for each server, to which nothing is written. Only this process has the write end, so
 * when it is gone the read end has no writer any more.
 */
static struct lifeline {
	int read_end, write_end;
} lifelines[SERVERS_MAX];

/* --- connections ---------------------------------------------------------- */

/* False when PID is gone. */
static bool read_stat(pid_t pid, struct proc_stat *stat)
{
	char path[sizeof("/proc//stat") + NUMBER_DIGITS] = "/proc/";

	format_u64(path + strlen(path), (uint64_t)pid);
	strcat(path, "/stat");
	return read_proc_stat(AT_FDCWD, path, stat) == 0;
}

/* A descriptor of the process is used because its PID may be reused at any time. */
static void end_connection(pid_t server, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct proc_stat stat;

	if (fd < 0)
		return;
	if (read_stat(pid, &stat) && stat.parent == (uint32_t)server)
		(void)syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
	close(fd);
}

struct children {
	size_t count;
	pid_t pids[CHILDREN_MAX]; /* the oldest comes first */
};

/* The kernel lists children in the order in which they were started. */
static bool read_children(pid_t server, struct children *children)
{
	static char text[CHILDREN_BYTES];
	char path[64] = "/proc/";
	const char *p = text;
	size_t len = 0;
	uint64_t pid;
	ssize_t n;
	int fd;

	format_u64(path + strlen(path), (uint64_t)server);
	strcat(path, "/task/");
	format_u64(path + strlen(path), (uint64_t)server);
	strcat(path, "/children");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	children->count = 0;
	/* A space follows each number. */
	for (; children->count < CHILDREN_MAX && (p = scan_u64(p, &pid)); p += *p == ' ')
		children->pids[children->count++] = (pid_t)pid;
	return true;
}

struct child {
	uint64_t started; /* in ticks since boot */
	pid_t pid;
};

static int compare_ages(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->started != y->started)
		return x->started < y->started ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

/*
 * Find the same in the entries of all processes, for a kernel that has no list of children
 * (CONFIG_PROC_CHILDREN).
 */
static bool find_children(pid_t server, struct children *children)
{
	static struct child found[CHILDREN_MAX];
	DIR *proc = opendir("/proc");
	struct proc_stat stat;
	struct dirent *entry;
	uint64_t pid;
	size_t n = 0;

	if (!proc)
		return false;
	while (n < CHILDREN_MAX && (entry = readdir(proc)))
		if (parse_number(entry->d_name, 1, INT32_MAX, &pid) &&
		    read_stat((pid_t)pid, &stat) && stat.parent == (uint32_t)server)
			found[n++] = (struct child) { .started = stat.start, .pid = (pid_t)pid };
	closedir(proc);
	qsort(found, n, sizeof(found[0]), compare_ages);
	for (size_t i = 0; i < n; i++)
		children->pids[i] = found[i].pid;
	children->count = n;
	return true;
}

/* Tell it once. The servers go on, within the limit of processes that their user has. */
static void tell_unbounded(void)
{
	static bool is_told;

	if (!is_told)
		warn_parts("cannot see the servers' processes in /proc: clients that are too old "
			   "or too many are not ended (is it mounted with hidepid= or subset=?)",
			   NULL);
	is_told = true;
}

static void bound_connections(pid_t server)
{
	static struct children children;
	uint64_t now = clock_ns(CLOCK_BOOTTIME) / TICK_NS;
	uint64_t ticks = settings.seconds * (NS_PER_SECOND / TICK_NS);
	uint64_t most = settings.clients / (uint64_t)server_count;
	struct proc_stat stat;
	size_t excess = 0;

	if ((!read_children(server, &children) && !find_children(server, &children)) ||
	    !read_stat(server, &stat)) {
		/* Only this process can reap the server, so it is there but can't be seen. */
		tell_unbounded();
		return;
	}
	if (most == 0)
		most = 1;
	if (settings.clients && children.count > most)
		excess = children.count - most;
	for (size_t i = 0; i < children.count; i++) {
		if (i >= excess) {
			/* When this one is young enough, so are all that follow. */
			if (!settings.seconds || !read_stat(children.pids[i], &stat))
				continue;
			if (now < stat.start + ticks)
				return;
		}
		end_connection(server, children.pids[i]);
	}
}

/* --- servers -------------------------------------------------------------- */

static int fail(const char *what, int error)
{
	warn_parts("cannot ", what, ": ", strerror(error), NULL);
	return EXIT_UNAVAILABLE;
}

/*
 * Have the kernel kill SERVER's process group when this process is gone, whatever ended it.
 * When the last writer of a pipe goes, the owner of the read end gets a signal (O_ASYNC), as
 * long as some process has that end open, and the servers have. PR_SET_PDEATHSIG would not
 * do: the kernel forgets it when httpd becomes the user of -u. False when the kernel refuses.
 */
static bool tie(const struct lifeline *lifeline, pid_t server)
{
	return fcntl(lifeline->read_end, F_SETOWN, -server) == 0 &&
	       fcntl(lifeline->read_end, F_SETSIG, SIGKILL) == 0 &&
	       fcntl(lifeline->read_end, F_SETFL, O_ASYNC) == 0;
}

/* Called in the server's process. False also when the parent has gone already. */
static bool tie_to_parent(const struct lifeline *lifeline)
{
	struct pollfd gone = { .fd = lifeline->read_end };

	close(lifeline->write_end);
	return fcntl(lifeline->read_end, F_SETFD, 0) == 0 && tie(lifeline, getpid()) &&
	       poll(&gone, 1, 0) == 0;
}

static bool make_lifeline(struct lifeline *lifeline)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return false;
	lifeline->read_end = ends[0];
	lifeline->write_end = ends[1];
	return true;
}

static void start_server(char *home, char *conf, char *address, char *user)
{
	char *argv[] = { "busybox", "httpd", "-f", "-p", address, "-h",
			 home,	    "-c",    conf, NULL, NULL,	  NULL };
	sigset_t none;
	pid_t pid;

	if (settings.become) {
		argv[9] = "-u";
		argv[10] = user;
	}
	if (!make_lifeline(&lifelines[server_count])) {
		(void)fail("make a pipe", errno);
		return;
	}
	pid = fork();
	if (pid > 0) {
		/* Parent and child both do this, as either may run first. */
		(void)setpgid(pid, pid);
		servers[server_count++] = pid;
		return;
	}
	if (pid < 0) {
		(void)fail("start a process", errno);
		return;
	}
	(void)setpgid(0, 0);
	if (!tie_to_parent(&lifelines[server_count]))
		_exit(fail("tie a server to its parent", errno));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	_exit(fail("run busybox", errno));
}

/* Signals go to the process groups, so that connections end with their server. */
static void end_servers(void)
{
	for (int i = 0; i < server_count; i++)
		kill(-servers[i], SIGTERM);
}

/*
 * Whether a server has ended. Other children may end as well: the first process of a container
 * becomes the parent of every process that loses its own.
 */
static bool has_server_ended(void)
{
	bool ended = false;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (int i = 0; i < server_count; i++)
			ended |= servers[i] == pid;
	return ended;
}

/*
 * Wait until each httpd has bound its port and become the user of -u. If this process became
 * that user earlier, it could not end a server that is still root's. False when one ended
 * instead.
 */
static bool wait_for_servers(void)
{
	const struct timespec moment = { .tv_nsec = 5000000 };
	char path[64];
	struct stat st;

	for (int i = 0; i < server_count; i++) {
		strcpy(path, "/proc/");
		format_u64(path + strlen(path), (uint64_t)servers[i]);
		while (stat(path, &st) == 0 && st.st_uid != (uid_t)settings.uid) {
			if (has_server_ended())
				return false;
			(void)nanosleep(&moment, NULL);
		}
	}
	return true;
}

static int become_user(void)
{
	if (!wait_for_servers()) {
		warn_parts("a server ended", NULL);
		return EXIT_UNAVAILABLE;
	}
	if (setgroups(0, NULL) || setgid((gid_t)settings.gid) || setuid((uid_t)settings.uid))
		return fail("become the user of -u", errno);
	/*
	 * The kernel signals the owner of a pipe with the permissions of the user who set it.
	 * In a user namespace root may have none over the user of -u, who has over itself.
	 */
	for (int i = 0; i < server_count; i++)
		if (!tie(&lifelines[i], servers[i]))
			return fail("tie a server to its parent", errno);
	return 0;
}

/* Bound how many processes the user of the servers may have, whoever starts them. */
static int limit_processes(void)
{
	struct rlimit limit;

	if (!settings.clients)
		return 0;
	limit.rlim_cur = limit.rlim_max = 2 * settings.clients + SPARE_PROCESSES;
	if (setrlimit(RLIMIT_NPROC, &limit) && errno != EPERM)
		return fail("limit the number of processes", errno);
	return 0;
}

static int watch_servers(const sigset_t *signals)
{
	const struct timespec second = { .tv_sec = 1 };

	for (;;) {
		int signal = sigtimedwait(signals, NULL, &second);

		if (signal == SIGCHLD && has_server_ended()) {
			warn_parts("a server ended", NULL);
			return EXIT_UNAVAILABLE;
		}
		if (signal > 0 && signal != SIGCHLD)
			return EXIT_FOUND;
		for (int i = 0; i < server_count; i++)
			bound_connections(servers[i]);
	}
}

static bool parse_user(const char *text)
{
	char uid[16];
	size_t len = strcspn(text, ":");

	if (text[len] != ':' || len >= sizeof(uid))
		return false;
	memcpy(uid, text, len);
	uid[len] = '\0';
	settings.become = true;
	return parse_number(uid, 1, UINT32_MAX - 1, &settings.uid) &&
	       parse_number(text + len + 1, 1, UINT32_MAX - 1, &settings.gid);
}

int main(int argc, char **argv)
{
	char *user = NULL;
	sigset_t signals;
	int c, status;

	set_program_name(argv[0]);
	if (answered_help(argc, argv, usage))
		return finish(EXIT_FOUND);
	opterr = 0;
	while ((c = getopt(argc, argv, ":n:t:u:")) != -1) {
		if (c == 'n' && !parse_number(optarg, 1, 100000, &settings.clients))
			return misuse("CLIENTS is a number from 1 to 100000, not ", optarg);
		if (c == 't' && !parse_number(optarg, 1, 86400, &settings.seconds))
			return misuse("SECONDS is a number from 1 to 86400, not ", optarg);
		if (c == 'u' && !parse_user(user = optarg))
			return misuse("UID:GID are two numbers, not ", optarg);
		if (c == '?' || c == ':')
			return bad_option(c, argv);
	}
	argc -= optind;
	argv += optind;
	if (argc < 3 || argc - 2 > SERVERS_MAX)
		return misuse("needed: HOME CONF and 1 to 16 of ADDRESS", "");

	/* A parent that ignores SIGCHLD passes that on, and then no end of a server is reported. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	status = limit_processes();
	if (status)
		return status;
	for (int i = 2; i < argc; i++)
		start_server(argv[0], argv[1], argv[i], user);
	if (settings.become)
		status = become_user();
	if (!status)
		status = server_count == argc - 2 ? watch_servers(&signals) : EXIT_UNAVAILABLE;
	end_servers();
	return status;
}

// SPDX-License-Identifier: MIT
/*
 * seccomp RULES COMMAND...: run COMMAND under a seccomp filter, as a container runtime does
 * for a container without the right to gain privileges. RULES is a file of lines
 *
 *   errno N               what any other system call is answered with, first
 *   NAME [INDEX VALUE]    this system call is allowed; with that number as an argument
 *
 * A name that this architecture has no number for is left out, as libseccomp does; -l in
 * the place of COMMAND prints those.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "no audit architecture for this one yet"
#endif

static const struct {
	const char *name;
	int number;
} calls[] = {
#include "seccomp_names.h" /* made from the profile */
};

static struct sock_filter code[4096]; /* BPF_MAXINSNS */
static unsigned short code_len;

static void die(const char *what, const char *more)
{
	fprintf(stderr, "seccomp: %s%s: %s\n", what, more, strerror(errno));
	exit(125);
}

static void add(uint16_t op, uint8_t yes, uint8_t no, uint32_t k)
{
	if (code_len == sizeof(code) / sizeof(code[0])) {
		errno = E2BIG;
		die("too many rules", "");
	}
	code[code_len++] = (struct sock_filter) { .code = op, .jt = yes, .jf = no, .k = k };
}

static void load(size_t offset)
{
	add(BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static int number_of(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].number;
	return -1;
}

static void allow(int number, int index, uint64_t value)
{
	size_t argument = offsetof(struct seccomp_data, args) + 8 * (size_t)index;

	load(offsetof(struct seccomp_data, nr));
	if (index < 0) {
		add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)number);
	} else {
		/* Little-endian, as both architectures are. */
		add(BPF_JMP | BPF_JEQ | BPF_K, 0, 5, (uint32_t)number);
		load(argument);
		add(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, (uint32_t)value);
		load(argument + 4);
		add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)(value >> 32));
	}
	add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

int main(int argc, char **argv)
{
	struct sock_fprog program = { .filter = code };
	char line[256], name[64];
	unsigned refusal;
	FILE *rules;

	if (argc < 3) {
		fprintf(stderr, "usage: seccomp RULES COMMAND...\n");
		return 125;
	}
	rules = fopen(argv[1], "r");
	if (!rules || !fgets(line, sizeof(line), rules) || sscanf(line, "errno %u", &refusal) != 1)
		die("cannot read the rules in ", argv[1]);
	load(offsetof(struct seccomp_data, arch));
	add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCH);
	add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
	while (fgets(line, sizeof(line), rules)) {
		int index = -1, number;
		uint64_t value = 0;

		if (sscanf(line, "%63s %d %" SCNu64, name, &index, &value) < 1)
			continue;
		number = number_of(name);
		if (number >= 0)
			allow(number, index, value);
		else if (strcmp(argv[2], "-l") == 0)
			puts(name);
	}
	if (strcmp(argv[2], "-l") == 0)
		return 0;
	add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | refusal);
	program.len = code_len;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		die("cannot install the filter", "");
	execvp(argv[2], argv + 2);
	die("cannot run ", argv[2]);
}

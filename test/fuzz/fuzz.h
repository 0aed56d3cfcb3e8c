/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share: a helper's main() as a function, run again and again in
 * one process. The maps are the kernel's: see fuzz.sh.
 */
#ifndef CONNPIN_FUZZ_H
#define CONNPIN_FUZZ_H

#include "../../helpers/lib/text.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int helper_main(int argc, char **argv); /* -Dmain=helper_main */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the helper has mapped since it was started: --wrap=mmap. */
#define MAPPINGS_MAX 8
static struct {
	void *at;
	size_t len;
} mappings[MAPPINGS_MAX];
static int mapping_count = -1; /* not the helper's */

void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *mapped = __real_mmap(at, len, prot, flags, fd, offset);

	if (mapping_count >= 0 && mapped != MAP_FAILED) {
		if (mapping_count == MAPPINGS_MAX)
			abort();
		mappings[mapping_count].at = mapped;
		mappings[mapping_count++].len = len;
	}
	return mapped;
}

/* The environment that a target makes: a value, or NULL for none. --wrap=getenv. */
static const char *(*fuzzed_environment)(const char *name);

char *__real_getenv(const char *name);
char *__wrap_getenv(const char *name);

char *__wrap_getenv(const char *name)
{
	if (mapping_count < 0 || !fuzzed_environment || strcmp(name, "PIN_DIR") == 0)
		return __real_getenv(name);
	return (char *)fuzzed_environment(name);
}

/* No process is started: what gzip gets is the other tests' to see. --wrap=posix_spawnp. */
int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[],
			char *const environment[]);

int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[],
			char *const environment[])
{
	(void)pid, (void)file, (void)actions, (void)attributes, (void)argv, (void)environment;
	return ENOENT;
}

/* DESCRIPTOR is a file of SIZE bytes in memory from now on, read from its beginning. */
static inline void make_file(int descriptor, const void *data, size_t size)
{
	static bool is_memory[2];

	if (!is_memory[descriptor]) {
		int file = memfd_create("fuzz", 0);

		if (file < 0 || dup2(file, descriptor) < 0)
			abort();
		close(file);
		is_memory[descriptor] = true;
	}
	if (ftruncate(descriptor, 0) || pwrite(descriptor, data, size, 0) != (ssize_t)size ||
	    lseek(descriptor, 0, SEEK_SET))
		abort();
}

/* What the helper wrote to standard output since make_file(), ended by a NUL, at TEXT. */
static inline size_t read_output(char *text, size_t size)
{
	ssize_t len = pread(STDOUT_FILENO, text, size - 1, 0);

	if (len < 0 || len == (ssize_t)size - 1 || memchr(text, '\0', (size_t)len))
		abort();
	text[len] = '\0';
	return (size_t)len;
}

/* A helper ends with its process: it closes and unmaps nothing. */
static inline int run_helper(int argc, char **argv)
{
	static char output[2048];
	static int first_free;
	int status;

	if (!first_free) {
		first_free = dup(STDERR_FILENO);
		close(first_free);
	}
	optind = 0; /* glibc: from the start, and forget where in "-abc" it was */
	mapping_count = 0;
	status = helper_main(argc, argv);
	/* It may have put its output buffer there. */
	out_set_buffer(output, sizeof(output));
	while (mapping_count > 0) {
		mapping_count--;
		munmap(mappings[mapping_count].at, mappings[mapping_count].len);
	}
	mapping_count = -1;
	if (status < 0 || status > 3)
		abort();
	(void)syscall(SYS_close_range, first_free, ~0U, 0);
	return status;
}

/* DATA cut into words at each NUL, after NAME. */
static inline int run_with_arguments(char *name, const uint8_t *data, size_t size)
{
	enum { WORDS_MAX = 32 };
	char *text = malloc(size + 1), *argv[WORDS_MAX + 2] = { name };
	int argc = 1, status;
	size_t at = 0;

	memcpy(text, data, size);
	text[size] = '\0';
	while (at < size && argc <= WORDS_MAX) {
		/* Of its own length, so that a step past its end is seen. */
		argv[argc++] = strdup(text + at);
		at += strlen(text + at) + 1;
	}
	status = run_helper(argc, argv);
	/* getopt has put them in another order, and lost none. */
	for (int i = 1; i < argc; i++)
		free(argv[i]);
	free(text);
	return status;
}

#endif

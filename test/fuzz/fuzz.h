/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share: a helper's main() as a function, run again and again in
 * one process. The maps are the kernel's: see fuzz.sh.
 */
#ifndef CONNPIN_FUZZ_H
#define CONNPIN_FUZZ_H

#include "../../helpers/text.h"

#include <fcntl.h>
#include <getopt.h>
#include <stddef.h>
#include <stdint.h>
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

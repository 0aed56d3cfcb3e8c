/* SPDX-License-Identifier: MIT */
/* One tracked connection as conn-list shows it: whether it is wanted, and its line. */
#ifndef CONNPIN_LIB_ENTRY_H
#define CONNPIN_LIB_ENTRY_H

#include "answer.h"

/* What to list; 0, NULL and false where anything goes. */
struct entry_filter {
	uint8_t protocol;
	bool has_dst;
	struct address dst;
	uint16_t src_port;
	uint16_t dst_port;
	uint64_t pid;
	const char *comm;
	bool has_uid;
	uint32_t uid;
};

bool entry_is_wanted(const struct entry_filter *filter, const struct answer *entry);

/* A line on standard output: words, or a JSON object. NOW is boot_time(). */
void entry_print(const struct answer *entry, bool json, uint64_t now);

/* Forget what processes looked like: before a table is printed once more. */
void entry_forget_processes(void);

#endif

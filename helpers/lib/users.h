/* SPDX-License-Identifier: MIT */
/* Users and groups, from /etc/passwd and /etc/group: no other database is asked. */
#ifndef CONNPIN_LIB_USERS_H
#define CONNPIN_LIB_USERS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether LIST, of names and numbers separated by spaces, has UID. */
bool users_list_has(const char *list, uint32_t uid);

/* Whether GID is the group of UID, or one of its further groups. */
bool users_is_member(uint32_t uid, uint32_t gid);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Users and groups as /etc/passwd and /etc/group have them. Other databases (nsswitch.conf)
 * are not asked: their libraries can't be loaded by a static program.
 */
#ifndef CONNPIN_LIB_USERS_H
#define CONNPIN_LIB_USERS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether LIST, of users' names and numbers separated by spaces, has the user UID. */
bool users_list_has(const char *list, uint32_t uid);

/* Whether the user UID is a member of the group GID, be it the own or a further one. */
bool users_is_member(uint32_t uid, uint32_t gid);

#endif

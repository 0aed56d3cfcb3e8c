/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The switch of the IPv6 block: map `config`, with one entry.
 *
 * Key: __u32 0. Value: __u8; 1 refuses native IPv6, any other value allows it.
 */
#ifndef CONNPIN_IPV6_BLOCKER_H
#define CONNPIN_IPV6_BLOCKER_H

#include <linux/types.h>

#define CONFIG_ENTRIES 1
#define CONFIG_BLOCK_IPV6 0 /* key of the switch */

#endif

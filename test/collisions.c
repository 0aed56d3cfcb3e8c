// SPDX-License-Identifier: MIT
/*
 * collisions: whether keys that were constructed without the seed share a hash.
 *
 *   collisions KEYS     of 64 keys made for the hash that the identity table had before, how
 *                       many share a victim's hash: by that one and by identity_hash(), the
 *                       most of 20,000 seeds
 *   collisions HASH A B DST SRC_PORT DST_PORT PROTOCOL
 *                       identity_hash() of this key with the seed A B, hexadecimal, DST as 32
 *                       digits: for a comparison with another implementation
 */
#include "../bpf/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 20000
#define TOP 8 /* values of the upper three bits */

/* Multiplications alone: what is added in the upper bits stays there. */
static __u64 earlier_hash(const struct conn_key_v6 *key, __u64 seed)
{
	__u64 h = seed;

	h ^= (__u64)key->dst_ip[0] << 32 | key->dst_ip[1];
	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 32;
	h ^= (__u64)key->dst_ip[2] << 32 | key->dst_ip[3];
	h *= 0xd6e8feb86659fd93ULL;
	h ^= h >> 32;
	h ^= (__u64)key->src_port << 32 | (__u64)key->dst_port << 8 | key->protocol;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 29;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 32;
}

/* A difference in the upper bits of the first word, and one in the second that undoes it. */
static struct conn_key_v6 constructed(unsigned first, unsigned second)
{
	struct conn_key_v6 key = { .src_port = 40000, .dst_port = 443, .protocol = 6 };

	key.dst_ip[0] = 0xfd000001 ^ first << 29;
	key.dst_ip[1] = 1;
	key.dst_ip[2] = 2 ^ second << 29;
	key.dst_ip[3] = 3 ^ second << 29;
	return key;
}

static __u64 random_word(void)
{
	__u64 word = 0;

	for (int i = 0; i < 4; i++)
		word = word << 16 | (rand() & 0xffff);
	return word | 1;
}

static int count_keys(void)
{
	struct conn_key_v6 victim = constructed(0, 0);
	unsigned earlier_most = 0, earlier_least = 64, most = 0;

	srand(1);
	for (int i = 0; i < SEEDS; i++) {
		__u64 seed[2] = { random_word(), random_word() };
		unsigned earlier = 0, now = 0;

		for (unsigned key = 0; key < TOP * TOP; key++) {
			struct conn_key_v6 other = constructed(key / TOP, key % TOP);

			earlier += earlier_hash(&other, seed[0]) == earlier_hash(&victim, seed[0]);
			/* Half of it would do: a bucket and a tag. */
			now += (__u32)identity_hash(&other, seed) ==
			       (__u32)identity_hash(&victim, seed);
		}
		earlier_most = earlier > earlier_most ? earlier : earlier_most;
		earlier_least = earlier < earlier_least ? earlier : earlier_least;
		most = now > most ? now : most;
	}
	printf("%u %u %u\n", earlier_least, earlier_most, most);
	return 0;
}

static int print_hash(char **argv)
{
	__u64 seed[2] = { strtoull(argv[0], NULL, 16), strtoull(argv[1], NULL, 16) };
	struct conn_key_v6 key = { .src_port = (__u16)atoi(argv[3]),
				   .dst_port = (__u16)atoi(argv[4]),
				   .protocol = (__u8)atoi(argv[5]) };
	unsigned char bytes[16];

	for (int i = 0; i < 16; i++) {
		char digits[3] = { argv[2][2 * i], argv[2][2 * i + 1], 0 };

		bytes[i] = (unsigned char)strtoul(digits, NULL, 16);
	}
	memcpy(key.dst_ip, bytes, sizeof(bytes));
	printf("%016llx\n", (unsigned long long)identity_hash(&key, seed));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "KEYS") == 0)
		return count_keys();
	if (argc == 8 && strcmp(argv[1], "HASH") == 0 && strlen(argv[4]) == 32)
		return print_hash(argv + 2);
	fputs("usage: collisions KEYS | HASH A B DST SRC_PORT DST_PORT PROTOCOL\n", stderr);
	return 2;
}

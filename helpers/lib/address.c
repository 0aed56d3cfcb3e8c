// SPDX-License-Identifier: MIT
#include "address.h"

#include "number.h"
#include "text.h"

/* A.B.C.D, each a number of up to three digits without a 0 in front, as inet_pton(3) has it. */
static bool parse_v4(const char *text, struct address *address)
{
	__u32 ip = 0;

	for (int i = 0; i < 4; i++) {
		const char *start = text;
		uint64_t byte;

		text = scan_u64(text, &byte);
		if (!text || byte > 255 || text - start > 3 ||
		    (*start == '0' && text - start > 1) || *text != (i < 3 ? '.' : '\0'))
			return false;
		text++;
		ip = ip << 8 | (__u32)byte;
	}
	*address = address_from_v4(htonl(ip));
	return true;
}

bool parse_address(const char *text, struct address *address)
{
	return parse_v4(text, address) || inet_pton(AF_INET6, text, address->byte) == 1;
}

static char *put_v4(char *to, const uint8_t byte[4])
{
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			*to++ = '.';
		to = put_u64(to, byte[i]);
	}
	return to;
}

static char *put_group(char *to, unsigned group)
{
	if (group >= 16)
		to = put_group(to, group / 16);
	*to++ = "0123456789abcdef"[group % 16];
	return to;
}

/*
 * RFC 5952: "::" stands for the longest run of at least two groups that are 0, the first
 * of equals. inet_ntop(3) would bring printf along, a third of the program.
 */
static char *put_v6(char *to, const uint8_t byte[16])
{
	int start = -1, length = 1;

	for (int i = 0; i < 8; i++) {
		int zeroes = 0;

		while (i + zeroes < 8 && !byte[2 * (i + zeroes)] && !byte[2 * (i + zeroes) + 1])
			zeroes++;
		if (zeroes > length) {
			start = i;
			length = zeroes;
		}
	}
	for (int i = 0; i < 8; i++) {
		if (i == start) {
			*to++ = ':';
			*to++ = ':';
			i += length - 1;
			continue;
		}
		if (i > 0 && i != start + length)
			*to++ = ':';
		to = put_group(to, byte[2 * i] * 256u + byte[2 * i + 1]);
	}
	return to;
}

char *put_address(char *to, const struct address *address)
{
	return address_is_v4(address) ? put_v4(to, address->byte + 12) : put_v6(to, address->byte);
}

void out_address(const struct address *address)
{
	out_commit(put_address(out_reserve(ADDRESS_TEXT_MAX), address));
}

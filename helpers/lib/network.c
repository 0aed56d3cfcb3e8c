// SPDX-License-Identifier: MIT
#include "network.h"

#include "number.h"

#include <string.h>

bool parse_listen_address(const char *text, struct address *address, uint16_t *port)
{
	char copy[sizeof("[]:65535") + 64]; /* and an address */
	char *host = copy, *colon;
	const char *number;
	uint64_t n;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	colon = strrchr(copy, ':');
	number = colon ? colon + 1 : copy;
	/* With a 0 in front a shell would take it for octal. */
	if (*number == '0' || !parse_number(number, 1, 65535, &n))
		return false;
	*port = (uint16_t)n;
	if (!colon)
		return parse_address("::", address);
	*colon = '\0';
	if (*host != '[')
		return !strchr(host, ':') && parse_address(host, address);
	host++;
	if (colon[-1] != ']')
		return false;
	colon[-1] = '\0';
	return strchr(host, ':') && parse_address(host, address);
}

bool parse_network(const char *text, struct network *network)
{
	char copy[ADDRESS_TEXT_MAX + 1];
	size_t len = strcspn(text, "/");
	uint64_t bits;
	unsigned width;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (!parse_address(copy, &network->address))
		return false;
	/* BITS is of the family that the address was written in. */
	width = strchr(copy, ':') ? 128 : 32;
	bits = width;
	if (text[len] == '/' && !parse_number(text + len + 1, 0, width, &bits))
		return false;
	network->prefix = (unsigned)bits + 128 - width;
	return true;
}

bool network_has(const struct network *network, const struct address *address)
{
	const uint8_t *a = network->address.byte, *b = address->byte;
	unsigned bytes = network->prefix / 8, rest = network->prefix % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0;
}

int networks_have(const char *list, const struct address *address)
{
	char word[ADDRESS_TEXT_MAX + sizeof("/128")];
	struct network network;
	int rc = 0;

	for (;;) {
		size_t len;

		list += strspn(list, " ");
		len = strcspn(list, " ");
		if (len == 0)
			return rc;
		if (len >= sizeof(word))
			return -1;
		memcpy(word, list, len);
		word[len] = '\0';
		if (!parse_network(word, &network))
			return -1;
		rc |= network_has(&network, address);
		list += len;
	}
}

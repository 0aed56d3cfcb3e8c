// SPDX-License-Identifier: MIT
#include "network.h"

#include "number.h"
#include "text.h"

#include <arpa/inet.h>
#include <string.h>

#define NETWORK_LEN (INET6_ADDRSTRLEN + sizeof("/128"))

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* *BITS is what an address of this family has. */
static bool parse(const char *text, struct network *address, unsigned *bits)
{
	address->prefix = 128;
	if (inet_pton(AF_INET, text, address->address + sizeof(mapped)) == 1) {
		memcpy(address->address, mapped, sizeof(mapped));
		*bits = 32;
		return true;
	}
	*bits = 128;
	return inet_pton(AF_INET6, text, address->address) == 1;
}

bool parse_address(const char *text, struct network *address)
{
	unsigned bits;

	return parse(text, address, &bits);
}

bool is_ipv4(const struct network *address)
{
	return memcmp(address->address, mapped, sizeof(mapped)) == 0;
}

bool is_every_address(const struct network *address)
{
	static const uint8_t zero[16];
	size_t from = is_ipv4(address) ? sizeof(mapped) : 0;

	return memcmp(address->address + from, zero, sizeof(zero) - from) == 0;
}

bool parse_listen_address(const char *text, struct network *address, uint16_t *port)
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
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	unsigned bits;
	uint64_t n;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (!parse(address, network, &bits))
		return false;
	n = bits;
	if (text[len] == '/' && !parse_number(text + len + 1, 0, bits, &n))
		return false;
	network->prefix = (unsigned)n + 128 - bits;
	return true;
}

bool network_has(const struct network *network, const struct network *address)
{
	unsigned bytes = network->prefix / 8, rest = network->prefix % 8;

	if (memcmp(network->address, address->address, bytes) != 0)
		return false;
	return rest == 0 ||
	       ((network->address[bytes] ^ address->address[bytes]) >> (8 - rest)) == 0;
}

int networks_have(const char *list, const struct network *address)
{
	char word[NETWORK_LEN];
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

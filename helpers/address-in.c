// SPDX-License-Identifier: MIT
/*
 * address-in: is this address in one of these networks?
 *
 * The lookup CGI asks it whether LOOKUP_ALLOW names a client.
 */
#include "text.h"

#include <arpa/inet.h>
#include <string.h>

static const char usage[] =
	"usage: address-in ADDRESS NETWORK...\n"
	"\n"
	"Tell whether ADDRESS is in one of the networks: an IPv4 or IPv6 address, with\n"
	"/BITS for more than one. ::ffff:a.b.c.d is a.b.c.d.\n"
	"\n"
	"Exit status: 0 it is, 1 it is not, 2 bad arguments.\n";

/* All addresses as IPv6, IPv4 as ::ffff:a.b.c.d: one comparison serves both. */
static bool parse_address(const char *text, uint8_t raw[16], unsigned *bits)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, text, raw + 12) == 1) {
		memcpy(raw, mapped, sizeof(mapped));
		*bits = 32;
		return true;
	}
	*bits = 128;
	return inet_pton(AF_INET6, text, raw) == 1;
}

static bool parse_network(const char *text, uint8_t raw[16], unsigned *prefix)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	unsigned bits;
	uint64_t n;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (!parse_address(address, raw, &bits))
		return false;
	n = bits;
	if (text[len] == '/' && !parse_number(text + len + 1, 0, bits, &n))
		return false;
	*prefix = (unsigned)n + 128 - bits;
	return true;
}

static bool same_prefix(const uint8_t a[16], const uint8_t b[16], unsigned prefix)
{
	unsigned bytes = prefix / 8, rest = prefix % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

int main(int argc, char **argv)
{
	uint8_t address[16], network[16];
	unsigned bits, prefix;
	int status = EXIT_NOT_FOUND;

	set_program_name(argv[0]);
	if (answered_help(argc, argv, usage))
		return finish(EXIT_FOUND);
	if (argc < 2)
		return misuse("needed: ADDRESS NETWORK...", "");
	if (!parse_address(argv[1], address, &bits)) {
		warn_parts("ADDRESS '", argv[1], "' is not an IPv4 or IPv6 address", NULL);
		return EXIT_MISUSE;
	}
	/* All are read, so that a typo in the last one shows. */
	for (int i = 2; i < argc; i++) {
		if (!parse_network(argv[i], network, &prefix)) {
			warn_parts("NETWORK '", argv[i], "' is not an address or ADDRESS/BITS",
				   NULL);
			return EXIT_MISUSE;
		}
		if (same_prefix(address, network, prefix))
			status = EXIT_FOUND;
	}
	return status;
}

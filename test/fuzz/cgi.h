/* SPDX-License-Identifier: MIT */
/*
 * A request: what CGI says of it, each ended by a NUL, and what every answer must be.
 */
#ifndef CONNPIN_FUZZ_CGI_H
#define CONNPIN_FUZZ_CGI_H

#include "fuzz.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ifaddrs.h>
#include <strings.h>
#include <sys/utsname.h>

/*
 * In the order of the input's words; with the values while it has none. No client is of this
 * host: it would have to have a connection. (Those of test/http.bats have.)
 */
static struct {
	const char *name;
	const char *usual;
	char *value;
} variables[] = {
	{ "QUERY_STRING", NULL, NULL },		{ "REMOTE_ADDR", "192.0.2.1", NULL },
	{ "HTTP_HOST", "localhost", NULL },	{ "LOOKUP_ALLOW", "192.0.2.0/24", NULL },
	{ "REQUEST_METHOD", "GET", NULL },	{ "LOOKUP_CMDLINE", NULL, NULL },
	{ "SERVER_NAMES", "my.example", NULL }, { "SERVER_SOFTWARE", NULL, NULL },
};

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

static inline const char *variable(const char *name)
{
	for (size_t i = 0; i < VARIABLES; i++)
		if (strcmp(variables[i].name, name) == 0)
			return variables[i].value ? variables[i].value : variables[i].usual;
	return NULL;
}

/* An address as IPv6, with brackets around it or none. */
static inline bool read_address(const char *text, uint8_t address[16])
{
	char bare[64] = "";
	size_t len = strlen(text);

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(bare))
		return false;
	memcpy(bare, text, len);
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
	return inet_pton(AF_INET, bare, address + 12) == 1 ||
	       inet_pton(AF_INET6, bare, address) == 1;
}

/* Bit by bit, and by other means than the program's. -1: LIST has a word that is no network. */
static inline int is_in(const uint8_t address[16], const char *list)
{
	char *copy = strdup(list), *rest = copy, *word;
	int found = 0;

	while ((word = strsep(&rest, " ")) != NULL) {
		size_t len = strlen(word);
		char *slash = strchr(word, '/'), *end = "";
		unsigned long bits, most;
		uint8_t network[16];
		bool same = true;

		if (!*word)
			continue;
		if (slash)
			*slash = '\0';
		most = strchr(word, ':') ? 128 : 32;
		bits = slash && isdigit((unsigned char)slash[1]) ? strtoul(slash + 1, &end, 10)
								 : most;
		if (len > 50 || *word == '[' || !read_address(word, network) || *end ||
		    bits > most || (slash && !isdigit((unsigned char)slash[1]))) {
			found = -1;
			break;
		}
		for (unsigned i = 0; i < bits + 128 - most; i++)
			same &= !((address[i / 8] ^ network[i / 8]) >> (7 - i % 8) & 1);
		found |= same;
	}
	free(copy);
	return found;
}

/* One of our own, or one that no client has. */
static inline bool is_here(const uint8_t address[16])
{
	struct ifaddrs *all, *one;
	char text[64];
	uint8_t own[16];
	bool found = is_in(address, "127.0.0.0/8 ::1 0.0.0.0 ::") == 1;

	if (getifaddrs(&all))
		abort();
	for (one = all; one; one = one->ifa_next) {
		if (!one->ifa_addr)
			continue;
		if (one->ifa_addr->sa_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr, text,
				  sizeof(text));
		else if (one->ifa_addr->sa_family == AF_INET6)
			inet_ntop(AF_INET6, &((struct sockaddr_in6 *)one->ifa_addr)->sin6_addr,
				  text, sizeof(text));
		else
			continue;
		found |= read_address(text, own) && memcmp(own, address, 16) == 0;
	}
	freeifaddrs(all);
	return found;
}

static inline bool is_word_of(const char *list, const char *name, size_t len)
{
	char *copy = strdup(list), *rest = copy, *word;
	bool found = false;

	while ((word = strsep(&rest, " ")) != NULL)
		found |= *word && strlen(word) == len && strncasecmp(word, name, len) == 0;
	free(copy);
	return found;
}

/* What a page of another site would be asked for by. */
static inline bool is_foreign(const char *host)
{
	char *name = strdup(host), *end, *zone;
	uint8_t address[16];
	struct utsname own;
	bool is_ours;
	size_t len;

	/* Off with the port. */
	end = strrchr(name, ':');
	if (end && !end[1 + strspn(end + 1, "0123456789")] && (*name != '[' || end[-1] == ']'))
		*end = '\0';
	len = strlen(name);
	if (*name == '[') {
		zone = strchr(name, '%');
		if (zone && strchr(zone, ']') == name + len - 1 && name[len - 1] == ']')
			strcpy(zone, "]");
		is_ours = strchr(name, ':') && read_address(name, address);
	} else {
		uname(&own);
		is_ours = !strchr(name, ':') && read_address(name, address);
		if (!is_ours && len > 1 && name[len - 1] == '.')
			len--;
		is_ours |= is_word_of("localhost", name, len) ||
			   is_word_of(own.nodename, name, len) ||
			   is_word_of(variable("SERVER_NAMES"), name, len);
	}
	free(name);
	return !is_ours;
}

static inline bool is_head(void)
{
	return strcmp(variable("REQUEST_METHOD"), "HEAD") == 0;
}

/* Who may not ask must have heard so, and nobody else. */
static inline void judge_access(int status, const char *head)
{
	const char *allowed = variable("LOOKUP_ALLOW"), *host = variable("HTTP_HOST");
	uint8_t client[16];
	bool may_ask;

	if (strcmp(variable("REQUEST_METHOD"), "GET") != 0 && !is_head()) {
		if (status != 405 || !strstr(head, "\r\nAllow: GET, HEAD\r\n"))
			abort();
		return;
	}
	if (!*host) {
		if (status != 400)
			abort();
		return;
	}
	may_ask = !is_foreign(host) && read_address(variable("REMOTE_ADDR"), client) &&
		  !is_here(client) && is_in(client, allowed) == 1;
	if (may_ask == (status == 403))
		abort();
}

/* A length that is true, where httpd leaves that to us. */
static inline void judge_framing(const char *head, size_t body)
{
	const char *server = variable("SERVER_SOFTWARE"), *length;
	bool is_ours = server && strncmp(server, "busybox httpd", 13) == 0;

	if ((strncmp(head, "HTTP/1.1 ", 9) == 0) != is_ours)
		abort();
	length = strstr(head, "\r\nContent-Length: ");
	if ((length != NULL) != is_ours ||
	    (strstr(head, "\r\nConnection: close\r\n") != NULL) != is_ours)
		abort();
	if (length && !is_head() && strtoul(length + 18, NULL, 10) != body)
		abort();
}

/* One JSON object a line, without a control character; of errors, just one. */
static inline void judge_body(const char *body, size_t len, int status, bool is_list)
{
	size_t lines = 0;

	if (is_head()) {
		if (len)
			abort();
		return;
	}
	for (size_t i = 0; i < len; i++) {
		lines += body[i] == '\n';
		if ((unsigned char)body[i] < ' ' && body[i] != '\n')
			abort();
		if (body[i] == '\n' &&
		    (i == 0 || body[i - 1] != '}' || (i + 1 < len && body[i + 1] != '{')))
			abort();
	}
	if (len && (body[0] != '{' || body[len - 1] != '\n'))
		abort();
	if ((status != 200 || !is_list) && lines != 1)
		abort();
	if ((strncmp(body, "{\"error\":\"", 10) == 0) != (status != 200 && len > 0))
		abort();
}

/* DATA as the request to the program NAME. */
static inline int run_request(char *name, bool is_list, const uint8_t *data, size_t size)
{
	static char output[1 << 20];
	char *argv[] = { name, NULL }, *body;
	size_t at = 0, len;
	int status;

	fuzzed_environment = variable;
	for (size_t i = 0; i < VARIABLES && at < size; i++) {
		len = strnlen((const char *)data + at, size - at);
		/* Of its own length, so that a step past its end is seen. */
		variables[i].value = strndup((const char *)data + at, len);
		at += len + 1;
	}
	make_file(STDOUT_FILENO, "", 0);
	if (run_helper(1, argv) != 0)
		abort();
	len = read_output(output, sizeof(output));
	body = strstr(output, "\r\n\r\n");
	if (!body || (sscanf(output, "Status: %3d ", &status) != 1 &&
		      sscanf(output, "HTTP/1.1 %3d ", &status) != 1))
		abort();
	body += 4;
	/* The maps are there: none of the answers is 503. */
	if (status != 200 && (status < 400 || status > 405))
		abort();
	len -= (size_t)(body - output);
	judge_body(body, len, status, is_list);
	body[-2] = '\0';
	judge_framing(output, len);
	judge_access(status, output);
	for (size_t i = 0; i < VARIABLES; i++) {
		free(variables[i].value);
		variables[i].value = NULL;
	}
	return 0;
}

#endif

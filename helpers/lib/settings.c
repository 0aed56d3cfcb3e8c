// SPDX-License-Identifier: MIT
#include "settings.h"

#include "../../bpf/identity.h"
#include "../../bpf/other_sockets.h"
#include "../../bpf/port_tracker.h"
#include "../../bpf/process.h"
#include "../../bpf/tcp_monitor.h"

#include "directories.h"
#include "network.h"
#include "number.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX 65536
#define VALUE_BYTES_MAX 4095 /* as long as a path */

struct setting {
	const char *name;
	const char *fallback; /* the default; NULL: the value of RUN_DIR */
	/* False after a message, when the value is wrong; it may tidy the value. */
	bool (*check)(struct setting *setting);
	unsigned min, max; /* of a number; max is 0 for others */
	const char *kind;  /* of a name: what it names, for messages */
	bool is_needed;	   /* to find what is attached */
	bool is_seen;	   /* the file has it */
	unsigned line;	   /* of the file; 0 when the value is not the file's */
	const char *value;
	char *tidied; /* room for the value, if it has to be changed */
};

static const char *path; /* of the file */
static bool is_lenient;

/* --- messages --------------------------------------------------------------- */

/* "PATH line N: ", or "" for line 0; of a path that is too long for a message, its end. */
static const char *location(unsigned line)
{
	static char text[640];
	const size_t room = sizeof(text) - sizeof("... line 4294967295: ");
	size_t len;

	if (!line)
		return "";
	len = strlen(path);
	strcpy(text, len > room ? "..." : "");
	strcat(text, path + (len > room ? len - room : 0));
	strcat(text, " line ");
	format_u64(text + strlen(text), line);
	strcat(text, ": ");
	return text;
}

/* Report what is wrong with a value, which may be in three parts. Always false. */
static bool refuse_parts(const struct setting *setting, const char *why, const char *more,
			 const char *end)
{
	char shown[101]; /* enough to find it by */
	size_t len = strnlen(setting->value, sizeof(shown) - 1);

	memcpy(shown, setting->value, len);
	shown[len] = '\0';
	warn_parts(location(setting->line), "setting ", setting->name, "='", shown, "': ", why,
		   more, end, is_lenient && !setting->is_needed ? "; left out" : "", NULL);
	return false;
}

static bool refuse(const struct setting *setting, const char *why)
{
	return refuse_parts(setting, why, "", "");
}

/* --- checks ----------------------------------------------------------------- */

#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Spell a path with single slashes and none at its end, so that scripts can compare paths. */
static void tidy_slashes(const char *from, char to[VALUE_BYTES_MAX + 1])
{
	for (; *from; from++)
		if (*from != '/' || (from[1] != '/' && from[1]))
			*to++ = *from;
	*to = '\0';
}

/* Whether a part of the path is "." or "..". */
static bool has_dots(const char *name)
{
	for (const char *part = strchr(name, '/'); part; part = strchr(part + 1, '/')) {
		size_t len = strcspn(part + 1, "/");

		if (len > 0 && len <= 2 && strspn(part + 1, ".") >= len)
			return true;
	}
	return false;
}

static bool check_path(struct setting *setting)
{
	char tidied[VALUE_BYTES_MAX + 1];

	tidy_slashes(setting->value, tidied);
	if (*tidied != '/' || tidied[strspn(tidied, DIGITS LETTERS "_/.-")] || has_dots(tidied))
		return refuse(setting, "an absolute path of letters, digits, '_', '-' and '.', "
				       "without . and .., is needed");
	strcpy(setting->tidied, tidied);
	setting->value = setting->tidied;
	return true;
}

static bool check_path_or_none(struct setting *setting)
{
	return !*setting->value || check_path(setting);
}

static bool check_pin_dir(struct setting *setting)
{
	if (!check_path(setting))
		return false;
	if (strcmp(setting->value, "/sys/fs/bpf") == 0)
		return refuse(setting, "a directory of its own below that is needed");
	return !strchr(setting->value, '.') ||
	       refuse(setting, "a bpf file system takes no name with a dot");
}

/* The path of a cgroup may hold every character that a line can. */
static bool check_cgroup(struct setting *setting)
{
	if (*setting->value && *setting->value != '/')
		return refuse(setting, "an absolute path, or nothing, is needed");
	tidy_slashes(setting->value, setting->tidied);
	setting->value = setting->tidied;
	return true;
}

/* A number without a 0 in front, by which a shell would take it for octal. */
static bool is_number(const char *text, unsigned min, unsigned max)
{
	uint64_t n;

	return parse_number(text, min, max, &n) && (*text != '0' || !text[1]);
}

#define RANGE_BYTES sizeof("4294967295 to 4294967295")

static void format_range(char range[RANGE_BYTES], const struct setting *setting)
{
	format_u64(range, setting->min);
	strcat(range, " to ");
	format_u64(range + strlen(range), setting->max);
}

static bool check_number(struct setting *setting)
{
	char range[RANGE_BYTES];

	if (is_number(setting->value, setting->min, setting->max))
		return true;
	format_range(range, setting);
	return refuse_parts(setting, "a number from ", range, " is needed");
}

static bool check_name(struct setting *setting)
{
	const char *value = setting->value;

	return (*value && *value != '-' && !value[strspn(value, DIGITS LETTERS "_-")]) ||
	       refuse_parts(setting, "a name of a ", setting->kind, " is needed");
}

/*
 * Whether each word of the value is right, and no space is in front of the first. Words are
 * separated by spaces. *COUNT is how many there are.
 */
static bool are_words(const struct setting *setting, bool (*is_word)(const char *word),
		      unsigned *count)
{
	const char *rest = setting->value;
	char word[256]; /* longer than any name */
	bool is_right = *rest != ' ';

	*count = 0;
	while (*rest && is_right) {
		size_t len = strcspn(rest, " ");

		if (len >= sizeof(word))
			return false;
		memcpy(word, rest, len);
		word[len] = '\0';
		is_right = is_word(word);
		rest += len;
		rest += strspn(rest, " ");
		++*count;
	}
	return is_right;
}

static bool is_listen_address(const char *word)
{
	struct address address;
	uint16_t port;

	return parse_listen_address(word, &address, &port);
}

static bool check_listen(struct setting *setting)
{
	unsigned count;

	return (are_words(setting, is_listen_address, &count) && count > 0) ||
	       refuse(setting,
		      "ADDRESS:PORT is needed, an IPv6 address in brackets, or several of them");
}

/* A name as a browser writes it in a Host line, without the port. */
static bool is_host_name(const char *word)
{
	return *word != '.' && *word != '-' && !word[strspn(word, DIGITS LETTERS "_.-")];
}

static bool check_host_names(struct setting *setting)
{
	unsigned count;

	return are_words(setting, is_host_name, &count) ||
	       refuse(setting, "names of this host, without a port and separated by spaces, "
			       "are needed");
}

/* The name of a user as useradd takes it, or a number that the kernel has for users. */
static bool is_user(const char *word)
{
	if (!word[strspn(word, DIGITS)])
		return is_number(word, 0, 4294967294);
	return *word != '-' && !word[strspn(word, DIGITS LETTERS "_.$@-")];
}

static bool check_users(struct setting *setting)
{
	unsigned count;

	return are_words(setting, is_user, &count) ||
	       refuse(setting, "names or numbers of users, separated by spaces, are needed");
}

static bool check_networks(struct setting *setting)
{
	static const struct address any;

	return networks_have(setting->value, &any) >= 0 ||
	       refuse(setting,
		      "addresses or networks (ADDRESS/BITS), separated by spaces, are needed");
}

static bool check_yes(struct setting *setting)
{
	return strcmp(setting->value, "yes") == 0 || strcmp(setting->value, "no") == 0 ||
	       refuse(setting, "yes or no is needed");
}

/* --- the settings ----------------------------------------------------------- */

#define TEXT(name_, default_, check_)                                \
	{                                                            \
		.name = name_, .fallback = default_, .check = check_ \
	}
#define NEEDED(name_, default_, check_)                                                 \
	{                                                                               \
		.name = name_, .fallback = default_, .check = check_, .is_needed = true \
	}
#define STRING(value) #value
#define NUMBER(name_, default_, min_, max_)                                                      \
	{                                                                                        \
		.name = name_, .fallback = STRING(default_), .check = check_number, .min = min_, \
		.max = max_                                                                      \
	}
#define NAME(name_, default_, kind_)                                                    \
	{                                                                               \
		.name = name_, .fallback = default_, .check = check_name, .kind = kind_ \
	}

/*
 * In the order of etc/connpin.conf. The scripts get them all from read-settings, and while
 * building, check-tables.sh compares the file and its manual with this table.
 */
static const struct setting known[] = {
	NEEDED("PIN_DIR", PIN_DIR_DEFAULT, check_pin_dir),
	NAME("PIN_GROUP", "connpin", "group"),
	NEEDED("CGROUP", "", check_cgroup),
	NUMBER("CONN_V4_ENTRIES", CONN_V4_ENTRIES, 256, 16777216),
	NUMBER("CONN_V6_ENTRIES", CONN_V6_ENTRIES, 256, 16777216),
	NUMBER("CONN_IN_ENTRIES", CONN_IN_ENTRIES, 0, 16777216),
	NUMBER("CONN_PROCESSES", CONN_PROCESSES, 256, 1048576),
	NUMBER("OTHER_SOCKETS", OTHER_SOCKETS, 0, 1048576),
	NUMBER("TCP_SOCKETS", TCP_SOCKETS, 1024, 4194304),
	NUMBER("CGROUP_SERIES", TCP_CGROUP_SERIES, 0, TCP_CGROUPS_MAX),
	NUMBER("CGROUP_LINGER", TCP_CGROUP_LINGER, 0, 86400),
	NEEDED("RUN_DIR", RUN_DIR_DEFAULT, check_path),
	TEXT("HTTP_RUN_DIR", NULL /* RUN_DIR */, check_path),
	TEXT("LISTEN", "127.0.0.1:9090", check_listen),
	NAME("HTTP_USER", "connpin", "user"),
	TEXT("HTTP_PASSWD", "", check_path_or_none),
	TEXT("HTTP_NAMES", "", check_host_names),
	NUMBER("HTTP_CLIENTS", 512, 1, 10000),
	NUMBER("HTTP_SECONDS", 10, 1, 3600),
	TEXT("LOOKUP_ALLOW", "", check_networks),
	TEXT("LOOKUP_USERS", "", check_users),
	TEXT("LOOKUP_CMDLINE", "no", check_yes),
};

#define SETTINGS (sizeof(known) / sizeof(known[0]))

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_"

/* The setting whose name is the LEN bytes at NAME, or NULL. */
static struct setting *find(struct setting *settings, const char *name, size_t len)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (strlen(settings[i].name) == len && memcmp(settings[i].name, name, len) == 0)
			return &settings[i];
	return NULL;
}

/*
 * Report that the line TEXT of the file is wrong. Returns whether to go on without it: not
 * when it may be a setting that says where connpin is attached.
 */
static bool bad_line(struct setting *settings, const char *text, unsigned line, const char *why,
		     const char *name, const char *more)
{
	const struct setting *about = find(settings, text, strspn(text, NAME_CHARACTERS));
	bool is_left_out = is_lenient && !(about && about->is_needed);

	warn_parts(location(line), why, name, more, is_left_out ? "; left out" : "", NULL);
	return is_left_out;
}

/* Read a line of LEN bytes, ended by a NUL. Returns whether to go on. */
static bool read_line(struct setting *settings, const char *text, size_t len, unsigned line)
{
	size_t name_len = strspn(text, NAME_CHARACTERS);
	struct setting *setting = find(settings, text, name_len);
	char name[32];

	if (strlen(text) != len)
		return bad_line(settings, text, line, "a NUL byte", "", "");
	if (!*text || *text == '#')
		return true;
	if (text[name_len] != '=' || *text < 'A' || *text > 'Z')
		return bad_line(settings, text, line, "not NAME=value", "", "");
	if (!setting) {
		if (name_len >= sizeof(name))
			name_len = sizeof(name) - 1;
		memcpy(name, text, name_len);
		name[name_len] = '\0';
		return bad_line(settings, text, line, "no such setting ", name, "");
	}
	if (setting->is_seen)
		return bad_line(settings, text, line, "", setting->name, " is set a second time");
	setting->is_seen = true;
	if (!setting->value) {
		setting->value = text + name_len + 1;
		setting->line = line;
	}
	return true;
}

static bool read_lines(struct setting *settings, char *text, size_t size)
{
	unsigned line = 0;

	for (size_t at = 0; at < size;) {
		char *end = memchr(text + at, '\n', size - at);
		size_t len = (end ? (size_t)(end - text) : size) - at;

		text[at + len] = '\0';
		line++;
		if (!read_line(settings, text + at, len, line))
			return false;
		at += len + 1;
	}
	return true;
}

/* Read the file; a byte is left for a NUL behind its last line. Its length, or -errno. */
static ssize_t read_file(char text[FILE_BYTES_MAX + 1])
{
	/* With O_NONBLOCK a FIFO is opened at once, and refused below. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EISDIR;
	}
	do {
		n = read(fd, text + len, FILE_BYTES_MAX + 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		n = -errno;
	else
		n = len > FILE_BYTES_MAX ? -EFBIG : (ssize_t)len;
	close(fd);
	return n;
}

/* Returns EXIT_FOUND, or another exit status after a line on standard error. */
static int take_file(struct setting *settings)
{
	static char text[FILE_BYTES_MAX + 1];
	ssize_t len = read_file(text);

	if (len >= 0)
		return read_lines(settings, text, (size_t)len) ? EXIT_FOUND : EXIT_MISUSE;
	warn_parts("cannot read ", path, ": ",
		   len == -EISDIR ? "not a regular file" : strerror((int)-len), NULL);
	return len == -ENOENT || len == -ENOTDIR || len == -EISDIR || len == -EFBIG
		       ? EXIT_MISUSE
		       : EXIT_UNAVAILABLE;
}

/* Whether the value can be printed as a line, which is how the scripts read it. */
static bool is_line(const struct setting *setting)
{
	const char *p = setting->value;
	size_t len = strlen(p);

	if (len > VALUE_BYTES_MAX)
		return refuse(setting, "it is longer than 4095 bytes");
	for (size_t left = len, n; left > 0; p += n, left -= n) {
		n = utf8_length(p, left);
		/* A shell that knows UTF-8 would read past the end of the line. */
		if (!n)
			return refuse(setting, "it is not UTF-8");
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return refuse(setting, "a control character is in it");
	}
	return true;
}

/* False when a setting is wrong, and this run may not go on with its default. */
static bool check_settings(struct setting *settings)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		struct setting *setting = &settings[i];

		if (!setting->fallback)
			setting->fallback = find(settings, "RUN_DIR", strlen("RUN_DIR"))->value;
		if (!setting->value)
			setting->value = setting->fallback;
		if (is_line(setting) && setting->check(setting))
			continue;
		if (!is_lenient || setting->is_needed)
			return false;
		setting->value = setting->fallback;
		setting->line = 0;
	}
	return true;
}

static void print_all(const struct setting *settings)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		out_str(settings[i].name);
		out_str(":");
		out_u64(settings[i].line);
		out_str("=");
		out_str(settings[i].value);
		out_str("\n");
	}
}

int print_settings(const char *file, bool lenient)
{
	static char tidied[SETTINGS][VALUE_BYTES_MAX + 1];
	struct setting settings[SETTINGS];
	int rc = EXIT_FOUND;

	path = file;
	is_lenient = lenient;
	memcpy(settings, known, sizeof(settings));
	for (size_t i = 0; i < SETTINGS; i++) {
		settings[i].value = getenv(settings[i].name);
		settings[i].tidied = tidied[i];
	}
	if (path)
		rc = take_file(settings);
	if (rc == EXIT_FOUND && !check_settings(settings))
		rc = EXIT_MISUSE;
	if (rc == EXIT_FOUND)
		print_all(settings);
	return rc;
}

void print_settings_table(void)
{
	char range[RANGE_BYTES];

	for (size_t i = 0; i < SETTINGS; i++) {
		*range = '\0';
		if (known[i].max)
			format_range(range, &known[i]);
		out_str(known[i].name);
		out_str("\t");
		out_str(known[i].fallback ? known[i].fallback : "RUN_DIR");
		out_str("\t");
		out_str(range);
		out_str("\n");
	}
}

// SPDX-License-Identifier: MIT
/* The file of settings; before its first NUL, if there is one, "NAME=value" of the environment. */
#include "fuzz.h"

static char *environment; /* NULL: it is empty */

static const char *variable(const char *name)
{
	size_t len = strlen(name);

	return environment && strncmp(environment, name, len) == 0 && environment[len] == '='
		       ? environment + len + 1
		       : NULL;
}

/* DATA as the file: the exit status, and what is printed, "" unless that is 0. */
static int read_settings(const void *data, size_t size, bool is_lenient, char *output, size_t room)
{
	char file[] = "/proc/self/fd/0", option[] = "--lenient";
	char *argv[] = { "read-settings", file, is_lenient ? option : NULL, NULL };
	int status;

	fuzzed_environment = variable;
	make_file(STDIN_FILENO, data, size);
	make_file(STDOUT_FILENO, "", 0);
	status = run_helper(is_lenient ? 3 : 2, argv);
	if ((read_output(output, room) > 0) != (status == 0))
		abort();
	return status;
}

static size_t settings; /* how many there are, once it is known */

/* Every setting as a line "NAME:LINE=value" becomes "NAME=value" in FILE. Its length. */
static size_t as_file(const char *output, char *file)
{
	size_t lines = 0, len = 0;

	while (*output) {
		size_t line = strcspn(output, "\n"), name = strcspn(output, ":");
		size_t value = strcspn(output, "=");

		if (output[line] != '\n' || name >= value || value >= line)
			abort();
		for (size_t i = 0; i < line; i++)
			if ((unsigned char)output[i] < ' ')
				abort();
		memcpy(file + len, output, name);
		len += name;
		memcpy(file + len, output + value, line + 1 - value);
		len += line + 1 - value;
		output += line + 1;
		lines++;
	}
	/* Each time as many as the first time. */
	if (!settings)
		settings = lines;
	if (lines != settings)
		abort();
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char output[1 << 18], lenient[1 << 18], file[1 << 18], again[1 << 18];
	const uint8_t *end = memchr(data, '\0', size);
	int status;
	size_t len;

	if (end) {
		environment = strndup((const char *)data, (size_t)(end - data));
		size -= (size_t)(end + 1 - data);
		data = end + 1;
	}
	status = read_settings(data, size, false, output, sizeof(output));

	if (status == 3)
		abort();
	if (read_settings(data, size, true, lenient, sizeof(lenient)) == 0)
		(void)as_file(lenient, file);
	free(environment);
	environment = NULL;
	if (status != 0)
		return 0;
	if (strcmp(output, lenient) != 0)
		abort();
	/* What is taken is taken again, and means the same. */
	len = as_file(output, file);
	if (len <= 65536 && (read_settings(file, len, false, again, sizeof(again)) != 0 ||
			     as_file(again, output) != len || memcmp(output, file, len) != 0))
		abort();
	return 0;
}

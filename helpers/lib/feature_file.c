// SPDX-License-Identifier: MIT
#include "feature_file.h"

#include "directories.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FEATURES_BYTES 8192 /* a dozen lines of some 100 bytes */
#define FEATURES_MOST 32

static struct {
	const char *name, *state, *hook, *reason;
} features[FEATURES_MOST];
static int count = -1; /* -1: not read yet */

/* Read the file. False when there is none, or SIZE bytes have no room for all of it. */
static bool read_file(char *text, size_t size)
{
	char path[DIRECTORY_BYTES];
	ssize_t n;
	int fd;

	if (strlen(run_dir()) + strlen("/features") >= sizeof(path))
		return false;
	strcpy(path, run_dir());
	strcat(path, "/features");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0 || (size_t)n == size - 1)
		return false;
	text[n] = '\0';
	return true;
}

/* Cut the next word off the line at *P. It is "" at the end of the line. */
static const char *next_word(char **p)
{
	char *word = *p, *end = word + strcspn(word, " ");

	*p = end;
	if (*end == ' ') {
		*end = '\0';
		*p = end + 1;
	}
	return word;
}

static void read_features(void)
{
	static char text[FEATURES_BYTES];
	char *line = text, *end;

	if (count >= 0)
		return;
	count = 0;
	if (!read_file(text, sizeof(text)))
		return;
	for (; *line && count < FEATURES_MOST; line = end + 1, count++) {
		end = strchr(line, '\n');
		if (!end)
			break;
		*end = '\0';
		features[count].name = next_word(&line);
		features[count].state = next_word(&line);
		features[count].hook = next_word(&line);
		features[count].reason = line;
	}
}

bool features_are_known(void)
{
	read_features();
	return count > 0;
}

bool feature_is_off(const char *name)
{
	read_features();
	for (int i = 0; i < count; i++)
		if (strcmp(features[i].name, name) == 0)
			return strcmp(features[i].state, "off") == 0;
	return false;
}

void each_feature(void (*call)(const char *name, const char *state, const char *hook,
			       const char *reason))
{
	read_features();
	for (int i = 0; i < count; i++)
		call(features[i].name, features[i].state, features[i].hook, features[i].reason);
}

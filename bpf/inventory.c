// SPDX-License-Identifier: MIT
/*
 * inventory: combines, at build time, what the objects contain with what bpf/table says
 * about it. So the hook of a program and the layout of a map are written down once, in the
 * source. It prints a shell function, because a shell runs a `case` faster than it reads a
 * file: "inventory WORDS" looks for a line below that begins with WORDS, puts the rest of
 * the line into $found, and fails when there is no such line.
 *
 *  maps NAME...
 *  map NAME TYPE NUMBER KEY VALUE ENTRIES FLAGS ACCESS UPGRADE CAPACITY
 *  object NAME CHECKSUM MAP...
 *  programs OBJECT NAME...
 *  program OBJECT NAME HOW HOOK
 *  known NAME HOW                    of the first object that has a program of this name,
 *                                    or of an older build
 *  directories NAME...               of pins, in the order of the table
 *  directory NAME FEATURE...         "-": the features without a program of their own
 *  feature NAME N...                 its rungs, in order
 *  rung N FEATURE STATE PIN OBJECT CONDITION HOOK REASON...
 *  links NAME...                     that the members of PIN_GROUP may read
 *  gone NAME...                      directories of older builds
 *  btf NAME...                       names that conditions look for in the kernel's BTF
 *  build N                           changes when any line above does
 *
 * TYPE is bpftool's word and NUMBER that of enum bpf_map_type. KEY and VALUE are sizes in
 * bytes. FLAGS is a number, a sum of BPF_F_* of <linux/bpf.h>. HOW is how a program is
 * attached: "cgroup:WORD:NUMBER", with bpftool's word for the hook and the number of enum
 * bpf_attach_type; "tracing" for fentry, fexit and tp_btf; "iterator";
 * "tracepoint:GROUP/NAME"; "raw:NAME". HOOK is the name to show to people.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 128 /* objects, maps or programs of one build: far more than there are */

struct object {
	const char *name;
	struct bpf_object *bpf;
	uint64_t checksum;
	int is_used; /* a rung names this object */
};

static struct object objects[MOST];
static int object_count;

/* The maps, in the order of the table; the layout is that of the first object with the map. */
static struct map {
	char name[64], access[16], upgrade[16], capacity[32];
	const struct bpf_map *bpf;
} maps[MOST];
static int map_count;

static uint64_t build = 14695981039346656037u;

__attribute__((noreturn, format(printf, 1, 2))) static void stop(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "inventory: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

/*
 * Print a line and add it to the build number, by FNV-1a. The first KEYS words are what the
 * scripts look it up by.
 */
__attribute__((format(printf, 2, 3))) static void line(int keys, const char *format, ...)
{
	char text[1024], *rest = text;
	va_list args;

	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) >= (int)sizeof(text))
		stop("a line is too long");
	va_end(args);
	if (strchr(text, '\''))
		stop("a line can't have a quote: %s", text);
	for (const char *p = text; *p; p++)
		build = (build ^ (uint8_t)*p) * 1099511628211u;
	while (keys-- && rest)
		rest = strchr(rest + 1, ' ');
	printf("\t'%.*s') found='%s' ;;\n", rest ? (int)(rest - text) : (int)strlen(text), text,
	       rest ? rest + 1 : "");
}

static const char *map_type(const struct bpf_map *map)
{
	const char *type = libbpf_bpf_map_type_str(bpf_map__type(map));

	if (!type)
		stop("map %s has a type without a name", bpf_map__name(map));
	return type;
}

/* --- programs ---------------------------------------------------------------- */

/* bpftool's word for a cgroup hook. In most cases it is the end of the section's name. */
static const char *hook_word(const struct bpf_program *program, const char *section)
{
	if (strcmp(section, "sockops") == 0)
		return "sock_ops";
	if (strncmp(section, "cgroup/", 7) == 0)
		return section + 7;
	stop("program %s: bpf/inventory.c, describe(), does not know its section %s",
	     bpf_program__name(program), section);
}

/* How PROGRAM is attached, and the name of its hook for people. */
static void describe(const struct bpf_program *program, char how[128], char hook[128])
{
	const char *section = bpf_program__section_name(program), *target = strchr(section, '/');

	snprintf(hook, 128, "%s", section);
	if (strncmp(section, "fentry/", 7) == 0 || strncmp(section, "fexit/", 6) == 0 ||
	    strncmp(section, "tp_btf/", 7) == 0) {
		strcpy(how, "tracing");
	} else if (strncmp(section, "iter/", 5) == 0 || strncmp(section, "iter.s/", 7) == 0) {
		strcpy(how, "iterator");
	} else if (strncmp(section, "tracepoint/", 11) == 0) {
		snprintf(how, 128, "tracepoint:%s", target + 1);
		snprintf(hook, 128, "tracepoint/%s", strrchr(section, '/') + 1);
	} else if (strncmp(section, "raw_tp/", 7) == 0) {
		snprintf(how, 128, "raw:%s", target + 1);
	} else {
		const char *word = hook_word(program, section);

		if (bpf_program__type(program) == BPF_PROG_TYPE_UNSPEC)
			stop("program %s: libbpf does not know its section %s",
			     bpf_program__name(program), section);
		snprintf(how, 128, "cgroup:%s:%u", word,
			 bpf_program__expected_attach_type(program));
		if (!target)
			strcpy(hook, word);
	}
}

static struct bpf_program *find_program(const struct object *object, const char *name)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object->bpf) if (strcmp(bpf_program__name(program),
								      name) == 0) return program;
	return NULL;
}

/* --- objects ----------------------------------------------------------------- */

static uint64_t checksum_of(const char *path)
{
	uint64_t hash = 14695981039346656037u;
	FILE *file = fopen(path, "rb");
	int c;

	if (!file)
		stop("cannot read %s: %s", path, strerror(errno));
	while ((c = getc(file)) != EOF)
		hash = (hash ^ (uint8_t)c) * 1099511628211u;
	fclose(file);
	return hash;
}

static void open_object(const char *path)
{
	struct object *object = &objects[object_count++];
	const char *base = strrchr(path, '/');
	char *name = strdup(base ? base + 1 : path);

	if (object_count == MOST)
		stop("more than %d objects", MOST - 1);
	if (!strstr(name, ".bpf.o"))
		stop("%s is not named NAME.bpf.o", path);
	*strstr(name, ".bpf.o") = '\0';
	object->name = name;
	object->checksum = checksum_of(path);
	object->bpf = bpf_object__open(path);
	if (!object->bpf)
		stop("cannot open %s: %s", path, strerror(errno));
}

static struct object *find_object(const char *name)
{
	for (int i = 0; i < object_count; i++)
		if (strcmp(objects[i].name, name) == 0)
			return &objects[i];
	return NULL;
}

/* The first object that has a program called NAME; NULL if none has. */
static struct object *first_with(const char *name)
{
	for (int i = 0; i < object_count; i++)
		if (find_program(&objects[i], name))
			return &objects[i];
	return NULL;
}

static struct map *find_map(const char *name)
{
	for (int i = 0; i < map_count; i++)
		if (strcmp(maps[i].name, name) == 0)
			return &maps[i];
	return NULL;
}

/* Take the maps of an object. A map must have the same layout in all objects. */
static void take_maps(const struct object *object)
{
	const struct bpf_map *bpf;
	struct map *map;

	bpf_object__for_each_map(bpf, object->bpf)
	{
		const char *name = bpf_map__name(bpf);

		map = find_map(name);
		if (!map)
			stop("map %s of object %s has no line \"map %s ...\" in bpf/table", name,
			     object->name, name);
		if (!map->bpf)
			map->bpf = bpf;
		else if (bpf_map__type(bpf) != bpf_map__type(map->bpf) ||
			 bpf_map__key_size(bpf) != bpf_map__key_size(map->bpf) ||
			 bpf_map__value_size(bpf) != bpf_map__value_size(map->bpf) ||
			 bpf_map__max_entries(bpf) != bpf_map__max_entries(map->bpf) ||
			 bpf_map__map_flags(bpf) != bpf_map__map_flags(map->bpf))
			stop("map %s has another type, size or flags in object %s", name,
			     object->name);
	}
}

static void add_word(char *text, size_t size, const char *word)
{
	char found[256];

	/* A list has each word once. */
	snprintf(found, sizeof(found), " %s ", word);
	if (strstr(text, found))
		return;
	if (strlen(text) + strlen(word) + 2 > size)
		stop("a list is too long");
	strcat(strcat(text, word), " ");
}

#define ADD_WORD(text, word) add_word(text, sizeof(text), word)

/* Print WORD, NAME and the list TEXT, which begins and ends with a space. */
static void print_list(const char *word, const char *name, const char *text)
{
	line(*name ? 2 : 1, "%s%s%s%.*s", word, *name ? " " : "", name, (int)strlen(text) - 1,
	     text);
}

static void print_object(const struct object *object)
{
	char how[128], hook[128], words[900] = " ", name[80];
	struct bpf_program *program;
	const struct bpf_map *map;

	snprintf(name, sizeof(name), "%s %016llx", object->name,
		 (unsigned long long)object->checksum);
	bpf_object__for_each_map(map, object->bpf) ADD_WORD(words, bpf_map__name(map));
	print_list("object", name, words);
	strcpy(words, " ");
	bpf_object__for_each_program(program, object->bpf)
		ADD_WORD(words, bpf_program__name(program));
	print_list("programs", object->name, words);
	bpf_object__for_each_program(program, object->bpf)
	{
		describe(program, how, hook);
		line(3, "program %s %s %s %s", object->name, bpf_program__name(program), how, hook);
		snprintf(name, sizeof(name), "%s", bpf_program__name(program));
		if (find_program(first_with(name), name) == program)
			line(2, "known %s %s", name, how);
	}
}

/* --- the table --------------------------------------------------------------- */

static void read_map(const char *text)
{
	struct map *map = &maps[map_count++];

	if (map_count == MOST)
		stop("more than %d maps", MOST - 1);
	if (sscanf(text, "map %63s %15s %15s %31s", map->name, map->access, map->upgrade,
		   map->capacity) != 4)
		stop("\"%s\" is not \"map NAME ACCESS UPGRADE CAPACITY\"", text);
	if (strcmp(map->access, "group") != 0 && strcmp(map->access, "root") != 0)
		stop("map %s: access is group or root, not %s", map->name, map->access);
	if (strcmp(map->upgrade, "refuse") != 0 && strcmp(map->upgrade, "carry") != 0 &&
	    strcmp(map->upgrade, "anew") != 0)
		stop("map %s: upgrade is refuse, carry or anew, not %s", map->name, map->upgrade);
}

/* What a condition asks for besides the settings, which come first. */
static const char *behind_settings(const char *condition)
{
	const char *plus;

	while (strncmp(condition, "setting:", 8) == 0 && (plus = strchr(condition, '+')))
		condition = plus + 1;
	return condition;
}

static void check_condition(const char *condition)
{
	char words[128], *name;

	condition = behind_settings(condition);
	if (strcmp(condition, "-") == 0 || strcmp(condition, "root-cgroup") == 0 ||
	    strncmp(condition, "btf:", 4) == 0 || strncmp(condition, "no-btf:", 7) == 0 ||
	    strncmp(condition, "setting:", 8) == 0)
		return;
	if (strncmp(condition, "with:", 5) != 0 || strlen(condition) >= sizeof(words))
		stop("there is no condition %s", condition);
	strcpy(words, condition + 5);
	for (name = strtok(words, ","); name; name = strtok(NULL, ","))
		if (!find_object(name))
			stop("condition %s: there is no object %s", condition, name);
}

/* The lists that the lines of the table add up to, in order, each word once. */
static char directories[512] = " ", links[512] = " ", gone[512] = " ", btf_names[512] = " ";
static struct group {
	char name[64];
	char words[512];
} groups[2][MOST]; /* pin directories with their features, features with their rungs */
static int rung_count;

enum { DIRECTORY, FEATURE };

static void add_to_group(int kind, const char *name, const char *word)
{
	struct group *group = groups[kind];

	while (*group->name && strcmp(group->name, name) != 0)
		group++;
	if (group == &groups[kind][MOST - 1])
		stop("more than %d features", MOST - 1);
	if (!*group->name) {
		strcpy(group->name, name);
		strcpy(group->words, " ");
	}
	ADD_WORD(group->words, word);
}

static void print_groups(void)
{
	for (const struct group *group = groups[DIRECTORY]; *group->name; group++)
		print_list("directory", group->name, group->words);
	for (const struct group *group = groups[FEATURE]; *group->name; group++)
		print_list("feature", group->name, group->words);
}

/* Add a rung's pin directory and number to the lists above. */
static void note_rung(const char *feature, const char *pin, const char *condition)
{
	char directory[64], number[16];

	snprintf(directory, sizeof(directory), "%.*s", (int)strcspn(pin, "/"), pin);
	snprintf(number, sizeof(number), "%d", ++rung_count);
	if (strcmp(pin, "-") != 0)
		ADD_WORD(directories, directory);
	add_to_group(DIRECTORY, directory, feature);
	add_to_group(FEATURE, feature, number);
	condition = behind_settings(condition);
	if (strncmp(condition, "btf:", 4) == 0)
		ADD_WORD(btf_names, condition + 4);
	if (strncmp(condition, "no-btf:", 7) == 0)
		ADD_WORD(btf_names, condition + 7);
}

static void print_rung(const char *text)
{
	char feature[64], state[16], pin[64], name[64], condition[128];
	char how[128], hook[128] = "-";
	struct bpf_program *program;
	struct object *object;
	int end = 0;

	if (sscanf(text, "rung %63s %15s %63s %63s %127s %n", feature, state, pin, name, condition,
		   &end) != 5)
		stop("\"%s\" is not \"rung FEATURE STATE PIN OBJECT CONDITION [REASON]\"", text);
	if (strcmp(state, "on") != 0 && strcmp(state, "degraded") != 0)
		stop("feature %s: a state is on or degraded, not %s", feature, state);
	if ((strcmp(state, "degraded") == 0) != (text[end] != '\0'))
		stop("feature %s: a rung says why when it is degraded, and only then", feature);
	check_condition(condition);
	if (strcmp(name, "-") != 0) {
		object = find_object(name);
		if (!object)
			stop("feature %s: there is no object %s", feature, name);
		object->is_used = 1;
		if (!strchr(pin, '/'))
			stop("feature %s: a pin is DIRECTORY/PROGRAM, not %s", feature, pin);
		program = find_program(object, strchr(pin, '/') + 1);
		if (!program)
			stop("feature %s: object %s has no program %s", feature, name,
			     strchr(pin, '/') + 1);
		describe(program, how, hook);
	}
	note_rung(feature, pin, condition);
	line(2, "rung %d %s %s %s %s %s %s%s%s", rung_count, feature, state, pin, name, condition,
	     hook, text[end] ? " " : "", text + end);
}

/* Call CALL for each line of the table that begins with WORD. */
static void each_line(const char *path, const char *word, void (*call)(const char *text))
{
	FILE *file = fopen(path, "r");
	char text[512];

	if (!file)
		stop("cannot read %s: %s", path, strerror(errno));
	while (fgets(text, sizeof(text), file)) {
		text[strcspn(text, "\n")] = '\0';
		if (strncmp(text, word, strlen(word)) == 0)
			call(text);
		else if (*text && *text != '#' && strncmp(text, "map ", 4) != 0 &&
			 strncmp(text, "rung ", 5) != 0 && strncmp(text, "link ", 5) != 0 &&
			 strncmp(text, "gone directory ", 15) != 0 &&
			 strncmp(text, "gone program ", 13) != 0)
			stop("a line of %s is of no known kind: %s", path, text);
	}
	fclose(file);
}

static void read_link(const char *text)
{
	const char *name = text + strlen("link ");

	if (!first_with(name))
		stop("no object has a program %s", name);
	ADD_WORD(links, name);
}

static void read_gone(const char *text)
{
	ADD_WORD(gone, text + strlen("gone directory "));
}

static void print_gone_program(const char *text)
{
	char name[64], how[128];

	if (sscanf(text, "gone program %63s %127s", name, how) != 2)
		stop("not a line of a program that is gone: %s", text);
	if (first_with(name))
		stop("program %s is not gone", name);
	line(2, "known %s %s", name, how);
}

int main(int argc, char **argv)
{
	char map_names[1000] = " ";

	if (argc < 3)
		stop("usage: inventory TABLE OBJECT.bpf.o...");
	for (int i = 2; i < argc; i++)
		open_object(argv[i]);
	each_line(argv[1], "map ", read_map);
	puts("# shellcheck shell=sh\n# Made by bpf/inventory.c of bpf/table and the objects.\n"
	     "inventory() {\n\tcase $* in");
	for (int i = 0; i < object_count; i++)
		take_maps(&objects[i]);
	for (int i = 0; i < map_count; i++)
		ADD_WORD(map_names, maps[i].name);
	print_list("maps", "", map_names);
	for (int i = 0; i < map_count; i++) {
		const struct map *map = &maps[i];

		if (!map->bpf)
			stop("no object has the map %s of bpf/table", map->name);
		line(2, "map %s %s %u %u %u %u %u %s %s %s", map->name, map_type(map->bpf),
		     bpf_map__type(map->bpf), bpf_map__key_size(map->bpf),
		     bpf_map__value_size(map->bpf), bpf_map__max_entries(map->bpf),
		     bpf_map__map_flags(map->bpf), map->access, map->upgrade, map->capacity);
	}
	for (int i = 0; i < object_count; i++)
		print_object(&objects[i]);
	each_line(argv[1], "rung ", print_rung);
	each_line(argv[1], "link ", read_link);
	each_line(argv[1], "gone directory ", read_gone);
	each_line(argv[1], "gone program ", print_gone_program);
	print_groups();
	print_list("directories", "", directories);
	print_list("links", "", links);
	print_list("gone", "", gone);
	print_list("btf", "", btf_names);
	for (int i = 0; i < object_count; i++)
		if (!objects[i].is_used)
			stop("object %s has no line \"rung FEATURE STATE DIRECTORY/PROGRAM %s "
			     "CONDITION\" in bpf/table",
			     objects[i].name, objects[i].name);
	printf("\t'build') found='%016llx' ;;\n\t*) return 1 ;;\n\tesac\n}\n",
	       (unsigned long long)build);
	return fflush(stdout) ? 1 : 0;
}

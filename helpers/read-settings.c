// SPDX-License-Identifier: MIT
/* read-settings: read and check the settings, for the scripts. */
#include "lib/settings.h"
#include "lib/text.h"

#include <getopt.h>

static const char usage[] =
	"usage: read-settings [--lenient] [--for NAME] [FILE]\n"
	"       read-settings --table\n"
	"\n"
	"Print every setting as NAME:LINE=value. LINE is the line of FILE, or 0 when the\n"
	"value is that of the environment, which goes first, or the default.\n"
	"\n"
	"  --for NAME     the name in front of messages\n"
	"  --lenient      report a setting that is wrong and use its default, unless it\n"
	"                 says where connpin is attached\n"
	"  --table        print the name, the default and the range of each setting\n"
	"                 with a tab between two, and read nothing\n"
	"  -h, --help     this text\n"
	"  -V, --version  the version\n"
	"\n"
	"Exit status: 0 done, 2 FILE is missing or a setting wrong, 3 FILE can't be read.\n";

enum { OPTION_LENIENT = 256, OPTION_FOR, OPTION_TABLE };

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "lenient", no_argument, NULL, OPTION_LENIENT },
		{ "for", required_argument, NULL, OPTION_FOR },
		{ "table", no_argument, NULL, OPTION_TABLE },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	bool is_lenient = false;
	int c;

	set_program_name(argv[0]);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hV", options, NULL)) != -1) {
		switch (c) {
		case OPTION_LENIENT:
			is_lenient = true;
			break;
		case OPTION_FOR:
			set_program_name(optarg);
			break;
		case OPTION_TABLE:
			print_settings_table();
			return finish(EXIT_FOUND);
		case 'h':
			out_str(usage);
			return finish(EXIT_FOUND);
		case 'V':
			out_version();
			return finish(EXIT_FOUND);
		default:
			return bad_option(c, argv);
		}
	}
	if (argc - optind > 1)
		return misuse("unexpected argument ", argv[optind + 1]);
	return finish(print_settings(argv[optind], is_lenient));
}

// SPDX-License-Identifier: MIT
/*
 * tcp-metrics: how is TCP doing? The counters as Prometheus text.
 */
#include "lib/directories.h"
#include "lib/metrics.h"
#include "lib/text.h"

#include <string.h>

static const char usage[] =
	"usage: tcp-metrics [--openmetrics]\n"
	"\n"
	"Print the TCP counters of the whole host in the Prometheus text format.\n"
	"\n"
	"  --openmetrics  as OpenMetrics 1.0\n"
	"  -h, --help     this text\n"
	"  -V, --version  the version\n"
	"\n"
	"Exit status: 0 done, 2 bad arguments, 3 the map can't be read.\n"
	"Environment: PIN_DIR, where the maps are pinned (" PIN_DIR_DEFAULT ");\n"
	"RUN_DIR, where attaching wrote down which features are on (" RUN_DIR_DEFAULT ");\n"
	"CONNPIN_CONF, the file of settings.\n";

int main(int argc, char **argv)
{
	bool openmetrics;

	set_program_name(argv[0]);
	if (answered_help(argc, argv, usage))
		return finish(EXIT_FOUND);
	openmetrics = argc == 2 && strcmp(argv[1], "--openmetrics") == 0;
	if (argc > 1 && !openmetrics)
		return misuse("unexpected argument ", argv[1]);
	return finish(print_metrics("", openmetrics));
}

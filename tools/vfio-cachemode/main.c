// SPDX-License-Identifier: GPL-2.0-only
/*
 * Command line of vfio-cachemode.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const struct command {
	const char *name;
	enum status (*run)(int argc, char **argv);
	const char *arguments;
	const char *help;
} commands[] = {
	{ "list", cmd_list, "",
	  "the devices that are bound to the driver" },
	{ "show", cmd_show, "BDF",
	  "regions, memory types and counters of a device" },
	{ "set", cmd_set,
	  "BDF REGION[:OFFSET+SIZE] MODE [max-width BYTES] [--force]",
	  "memory type of a BAR, or of a range of one" },
	{ "watch", cmd_watch, "",
	  "report opens, closes, resets and changes of modes" },
	{ "bind", cmd_bind, "BDF",
	  "give a device to the driver" },
	{ "unbind", cmd_unbind, "BDF",
	  "take a device from the driver" },
	{ "decode", cmd_decode, "[--arch arm64|x86] [--huge] VALUE...",
	  "memory type of page-table entries" },
	{ "probe", cmd_probe, "BDF",
	  "open a device that is not in use, and read what VFIO tells" },
	{ "metrics", cmd_metrics, "",
	  "counters as OpenMetrics text" },
};

struct options options;

void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("vfio-cachemode: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

enum status usage_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("vfio-cachemode: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs("\nTry: vfio-cachemode --help\n", stderr);
	va_end(arguments);
	return USAGE;
}

static void help(void)
{
	puts("usage: vfio-cachemode [--json] COMMAND [ARGUMENT...]\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %s%s%s\n      %s\n", commands[i].name,
		       *commands[i].arguments ? " " : "", commands[i].arguments,
		       commands[i].help);
	puts("\nBDF is a PCI address such as 0000:01:00.0.  MODE is noncached or\n"
	     "writecombine.  More: man vfio-cachemode");
}

/* A full disk or a closed pipe must not look like success. */
static enum status flush(enum status status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	complain("can't write: %s", strerror(errno));
	return FAILED;
}

int main(int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--json")) {
			options.json = true;
		} else if (!strcmp(argv[i], "--help") ||
			   !strcmp(argv[i], "-h")) {
			help();
			return flush(OK);
		} else if (!strcmp(argv[i], "--version")) {
			puts("vfio-cachemode " VERSION);
			return flush(OK);
		} else {
			return usage_error("unknown option %s", argv[i]);
		}
	}
	if (i == argc)
		return usage_error("which command?");

	for (size_t c = 0; c < ARRAY_SIZE(commands); c++)
		if (!strcmp(argv[i], commands[c].name))
			return flush(commands[c].run(argc - i, argv + i));
	return usage_error("unknown command %s", argv[i]);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* KTAP results for user-space programs: one plan, one line a test. */
#ifndef VFIOMEM_KTAP_H
#define VFIOMEM_KTAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned int ktap_count, ktap_failed;

__attribute__((unused))
static void ktap_start(void)
{
	/* Whole lines even if the program dies. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("KTAP version 1");
}

__attribute__((unused, format(printf, 2, 3)))
static void ktap_result(bool ok, const char *name, ...)
{
	va_list ap;

	if (!ok)
		ktap_failed++;
	printf("%s %u ", ok ? "ok" : "not ok", ++ktap_count);
	va_start(ap, name);
	vprintf(name, ap);
	va_end(ap);
	putchar('\n');
}

__attribute__((unused))
static void ktap_skip(const char *name, const char *why)
{
	printf("ok %u %s # SKIP %s\n", ++ktap_count, name, why);
}

/* Return: the program's exit status. */
__attribute__((unused))
static int ktap_finish(void)
{
	printf("1..%u\n", ktap_count);
	return ktap_failed ? 1 : 0;
}

#endif /* VFIOMEM_KTAP_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers as people write them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/* What strtoull() leaves out: it takes signs and white space. */
static bool parse_prefix(const char *text, uint64_t *value, char **end)
{
	if (!isdigit((unsigned char)text[0]))
		return false;
	/* A leading 0 is no octal: nobody writes sizes like that. */
	errno = 0;
	*value = strtoull(text, end, text[1] == 'x' || text[1] == 'X' ? 16 : 10);
	return errno == 0 && (isxdigit((unsigned char)(*end)[-1]));
}

bool parse_u64(const char *text, uint64_t *value)
{
	char *end;

	return parse_prefix(text, value, &end) && *end == '\0';
}

bool parse_bytes(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	unsigned int shift;

	if (!parse_prefix(text, bytes, &end))
		return false;
	if (*end == '\0')
		return true;
	unit = strchr(units, toupper((unsigned char)*end));
	if (!unit || end[1] != '\0')
		return false;
	shift = 10 * (unsigned int)(unit - units + 1);
	if (*bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

/* Exact up to four digits, otherwise with two decimals of the next unit. */
char *format_size(uint64_t bytes, char text[SIZE_LEN])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned int unit = 0;
	double rest;

	while (bytes && bytes % 1024 == 0 && unit < 4) {
		bytes /= 1024;
		unit++;
	}
	for (rest = (double)bytes; rest >= 10000 && unit < 4; unit++)
		rest /= 1024;
	snprintf(text, SIZE_LEN, rest == (double)bytes ? "%.0f %s" : "%.2f %s",
		 rest, units[unit]);
	return text;
}

char *format_width(uint32_t width, char text[SIZE_LEN])
{
	return width ? format_size(width, text) : strcpy(text, "any");
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables for people, JSON for programs.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static void *must(void *memory)
{
	if (!memory) {
		complain("out of memory");
		exit(FAILED);
	}
	return memory;
}

/* Colour is for people at a terminal who did not ask to be spared. */
static bool is_fancy(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term &&
	       strcmp(term, "dumb");
}

void print_bold(const char *text)
{
	if (is_fancy())
		printf("\033[1m%s\033[0m\n", text);
	else
		puts(text);
}

void table_start(struct table *table, const char *const *head)
{
	memset(table, 0, sizeof(*table));
	table->head = head;
	while (head[table->columns])
		table->columns++;
}

void table_row(struct table *table, ...)
{
	va_list cells;

	table->cells = must(realloc(table->cells, (table->rows + 1) *
				    sizeof(*table->cells)));
	va_start(cells, table);
	for (unsigned int c = 0; c < table->columns; c++)
		table->cells[table->rows][c] =
			must(strdup(va_arg(cells, const char *)));
	va_end(cells);
	table->rows++;
}

static void print_row(const struct table *table, const size_t *width,
		      const char *const *cells, size_t skip)
{
	char line[512];
	size_t used = 0;

	for (unsigned int c = 0; c < table->columns; c++) {
		const char *cell = cells[c];
		bool right = table->head[c][0] == '>';
		int n;

		if (right && skip)
			cell += skip;
		/* No blanks at the end of a line. */
		if (c + 1 == table->columns && !right)
			n = snprintf(line + used, sizeof(line) - used, "%s",
				     cell);
		else
			n = snprintf(line + used, sizeof(line) - used,
				     right ? "%*s  " : "%-*s  ", (int)width[c],
				     cell);
		used += (size_t)n;
		if (used >= sizeof(line))
			used = sizeof(line) - 1;
	}
	while (used && line[used - 1] == ' ')
		used--;
	line[used] = '\0';
	if (skip)
		print_bold(line);
	else
		puts(line);
}

void table_end(struct table *table)
{
	size_t width[TABLE_COLUMNS];

	for (unsigned int c = 0; c < table->columns; c++) {
		width[c] = strlen(table->head[c]) - (table->head[c][0] == '>');
		for (unsigned int r = 0; r < table->rows; r++)
			if (strlen(table->cells[r][c]) > width[c])
				width[c] = strlen(table->cells[r][c]);
	}
	print_row(table, width, table->head, 1);
	for (unsigned int r = 0; r < table->rows; r++) {
		print_row(table, width, (const char *const *)table->cells[r], 0);
		for (unsigned int c = 0; c < table->columns; c++)
			free(table->cells[r][c]);
	}
	free(table->cells);
}

/* Whether the next value of the innermost object or array is its first. */
static bool json_first = true;

static void json_name(const char *name)
{
	if (!json_first)
		putchar(',');
	json_first = false;
	/* Names are ours: nothing in them needs an escape. */
	if (name)
		printf("\"%s\":", name);
}

void json_object(const char *name)
{
	json_name(name);
	putchar('{');
	json_first = true;
}

void json_object_end(void)
{
	putchar('}');
	json_first = false;
}

void json_array(const char *name)
{
	json_name(name);
	putchar('[');
	json_first = true;
}

void json_array_end(void)
{
	putchar(']');
	json_first = false;
}

void json_string(const char *name, const char *value)
{
	json_name(name);
	putchar('"');
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

void json_number(const char *name, uint64_t value)
{
	json_name(name);
	printf("%" PRIu64, value);
}

void json_bool(const char *name, bool value)
{
	json_name(name);
	fputs(value ? "true" : "false", stdout);
}

void json_line(void)
{
	putchar('\n');
	json_first = true;
}

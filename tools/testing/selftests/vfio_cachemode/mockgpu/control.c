// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands to the mock.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"

const char control_help[] =
	"mark NUMBER                 log a MARK, start a new window of rules\n"
	"count                       how many records there are\n"
	"get SEQUENCE                one record as text\n"
	"tally BAR FROM              reads and writes of a BAR (7: config) since a record\n"
	"last KIND                   the newest record of a kind of event (a number)\n"
	"violations                  how many rules were broken\n"
	"forgive                     forget violations that a test provoked\n"
	"rule KIND BAR OFFSET SIZE [WIDTH]   add a rule\n"
	"ready link|memory|all MS|never      ready in so many ms from now on\n"
	"after-reset link|memory|all MS|never\n"
	"reset                       surprise reset\n"
	"fault KIND [ARGUMENT [COUNT]]       or: fault none\n"
	"rate BYTES                  DMA engine, bytes a ms; 0: no limit\n"
	"peek BAR OFFSET WIDTH       memory of a BAR, unlogged\n"
	"poke BAR OFFSET WIDTH VALUE\n"
	"irq VECTOR                  raise an interrupt\n";

#define ARGUMENTS	5

struct arguments {
	struct session *session;
	struct device *dev;
	unsigned int count;
	const char *text[ARGUMENTS];
	uint64_t number[ARGUMENTS];	/* valid where is_number */
	bool is_number[ARGUMENTS];
	char *reply;
	size_t size;
};

static int do_mark(struct arguments *a)
{
	rules_new_window(&a->dev->rules);
	log_add(a->dev->log, (struct mocklog_record) {
		.kind = MOCKLOG_MARK, .data = a->number[0],
	});
	return 0;
}

static uint64_t record_count(const struct device *dev)
{
	return atomic_load(&dev->log->header->count);
}

static int do_count(struct arguments *a)
{
	snprintf(a->reply, a->size, "%" PRIu64, record_count(a->dev));
	return 0;
}

static int do_get(struct arguments *a)
{
	if (a->number[0] >= record_count(a->dev))
		return -ENOENT;
	mocklog_format(&a->dev->log->records[a->number[0]], a->reply, a->size);
	return 0;
}

static int do_tally(struct arguments *a)
{
	uint64_t reads = 0, writes = 0, i;

	for (i = a->number[1]; i < record_count(a->dev); i++) {
		const struct mocklog_record *r = &a->dev->log->records[i];

		if (r->bar != a->number[0])
			continue;
		reads += r->kind == MOCKLOG_READ;
		writes += r->kind == MOCKLOG_WRITE;
	}
	snprintf(a->reply, a->size, "%" PRIu64 " %" PRIu64, reads, writes);
	return 0;
}

static int do_last(struct arguments *a)
{
	uint64_t i;

	for (i = record_count(a->dev); i--; )
		if (a->dev->log->records[i].kind == a->number[0]) {
			mocklog_format(&a->dev->log->records[i], a->reply,
				       a->size);
			return 0;
		}
	return -ENOENT;
}

static int do_violations(struct arguments *a)
{
	snprintf(a->reply, a->size, "%" PRIu64, a->dev->violations);
	return 0;
}

static int do_forgive(struct arguments *a)
{
	a->dev->violations = 0;
	return 0;
}

/* Is [offset, offset + size) memory of this BAR? */
static bool in_bar(const struct device *dev, uint64_t bar, uint64_t offset,
		   uint64_t size)
{
	return bar < 6 && size && offset <= dev->bars[bar].size &&
	       size <= dev->bars[bar].size - offset;
}

static int do_rule(struct arguments *a)
{
	const struct rule_spec spec = {
		.kind = rule_by_name(a->text[0]),
		.bar = a->number[1],
		.offset = a->number[2],
		.size = a->number[3],
		.max_width = a->count > 4 ? a->number[4] : 0,
	};

	if (!spec.kind || !in_bar(a->dev, a->number[1], a->number[2],
				  a->number[3]))
		return -EINVAL;
	return rules_add(&a->dev->rules, &spec);
}

static int delay(const struct arguments *a, uint64_t *ns)
{
	if (!strcmp(a->text[1], "never"))
		*ns = NEVER;
	else if (a->is_number[1] && a->number[1] <= 3600 * 1000)
		*ns = a->number[1] * 1000000;
	else
		return -EINVAL;
	return 0;
}

/* The readiness bits that the first argument names. */
static int ready_bits(const struct arguments *a, bool bits[READY_COUNT])
{
	const bool all = !strcmp(a->text[0], "all");

	bits[READY_LINK] = all || !strcmp(a->text[0], "link");
	bits[READY_MEMORY] = all || !strcmp(a->text[0], "memory");
	return bits[READY_LINK] || bits[READY_MEMORY] ? 0 : -EINVAL;
}

static int do_ready(struct arguments *a)
{
	bool bits[READY_COUNT];
	unsigned int i;
	uint64_t ns;

	if (delay(a, &ns) || ready_bits(a, bits))
		return -EINVAL;
	for (i = 0; i < READY_COUNT; i++)
		if (bits[i])
			device_set_ready(a->dev, i, ns);
	return 0;
}

static int do_after_reset(struct arguments *a)
{
	bool bits[READY_COUNT];
	unsigned int i;
	uint64_t ns;

	if (delay(a, &ns) || ready_bits(a, bits))
		return -EINVAL;
	for (i = 0; i < READY_COUNT; i++)
		if (bits[i])
			a->dev->ready[i].after_reset_ns = ns;
	return 0;
}

static int do_reset(struct arguments *a)
{
	device_reset(a->dev, MOCKLOG_RESET_SURPRISE);
	return 0;
}

static int do_fault(struct arguments *a)
{
	const enum fault_kind kind = fault_by_name(a->text[0]);
	const uint64_t argument = a->count > 1 ? a->number[1] : 0;
	const uint64_t count = a->count > 2 ? a->number[2] : 1;

	if (kind == FAULT_NONE && strcmp(a->text[0], "none"))
		return -EINVAL;
	if (argument > 3600 * 1000 || count > UINT32_MAX ||
	    (kind == FAULT_LONG && argument > REPLY_MAX - VU_MAX_MESSAGE))
		return -ERANGE;
	a->session->fault = kind;
	a->session->fault_argument = argument;
	a->session->fault_left = kind ? count : 0;
	return 0;
}

static int do_rate(struct arguments *a)
{
	a->dev->engine.rate = a->number[0];
	return 0;
}

static int do_peek(struct arguments *a)
{
	uint64_t value = 0;

	if (a->number[2] > 8 ||
	    !in_bar(a->dev, a->number[0], a->number[1], a->number[2]))
		return -EINVAL;
	memcpy(&value, a->dev->bars[a->number[0]].memory + a->number[1],
	       a->number[2]);
	snprintf(a->reply, a->size, "0x%" PRIx64, value);
	return 0;
}

static int do_poke(struct arguments *a)
{
	if (a->number[2] > 8 ||
	    !in_bar(a->dev, a->number[0], a->number[1], a->number[2]))
		return -EINVAL;
	memcpy(a->dev->bars[a->number[0]].memory + a->number[1],
	       &a->number[3], a->number[2]);
	return 0;
}

static int do_irq(struct arguments *a)
{
	return irq_signal(&a->dev->irqs, a->number[0]) ? 0 : -ENXIO;
}

/*
 * form: a letter an argument, n a number, w a word, x either; behind a bar they
 * may be left out.
 */
static const struct {
	const char *name;
	const char *form;
	int (*run)(struct arguments *arguments);
} commands[] = {
	{ "mark",	"n",		do_mark },
	{ "count",	"",		do_count },
	{ "get",	"n",		do_get },
	{ "tally",	"nn",		do_tally },
	{ "last",	"n",		do_last },
	{ "violations",	"",		do_violations },
	{ "forgive",	"",		do_forgive },
	{ "rule",	"wnnn|n",	do_rule },
	{ "ready",	"wx",		do_ready },
	{ "after-reset", "wx",		do_after_reset },
	{ "reset",	"",		do_reset },
	{ "fault",	"w|nn",		do_fault },
	{ "rate",	"n",		do_rate },
	{ "peek",	"nnn",		do_peek },
	{ "poke",	"nnnn",		do_poke },
	{ "irq",	"n",		do_irq },
};

static bool fits(const struct arguments *a, const char *form)
{
	unsigned int i = 0;
	bool optional = false;

	for (; *form; form++) {
		if (*form == '|') {
			optional = true;
			continue;
		}
		if (i == a->count)
			return optional;
		if (*form == 'n' && !a->is_number[i])
			return false;
		i++;
	}
	return i == a->count;
}

int control_line(void *context, const char *line, char *reply, size_t size)
{
	struct session *session = context;
	struct arguments a = {
		.session = session, .dev = session->dev,
		.reply = reply, .size = size,
	};
	char copy[256], *rest, *word, *name, *end;
	size_t i;

	if (snprintf(copy, sizeof(copy), "%s", line) >= (int)sizeof(copy))
		return -E2BIG;
	reply[0] = 0;
	name = strtok_r(copy, " \t\r\n", &rest);
	if (!name)
		return -EINVAL;
	while ((word = strtok_r(NULL, " \t\r\n", &rest))) {
		if (a.count == ARGUMENTS)
			return -EINVAL;
		a.text[a.count] = word;
		errno = 0;
		a.number[a.count] = strtoull(word, &end, 0);
		a.is_number[a.count] = !*end && !errno && *word != '-';
		a.count++;
	}
	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, name))
			return fits(&a, commands[i].form) ?
				commands[i].run(&a) : -EINVAL;
	return -EINVAL;
}

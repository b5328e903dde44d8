// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many accesses and barriers calls take, for the benchmark's table.
 *
 *	trace_count TABLE accesses	to NONCACHED memory, and the minimum
 *	trace_count TABLE barriers	by mode and order, for 64 bytes
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "trace.h"
#include "vfiomem.h"

struct call {
	struct vfiomem_attr attr;
	uint64_t p;
	size_t n;
	unsigned int order;
	bool read;
};

static uint8_t expect[TRACE_SIZE], own[512];

static void call(void *arg)
{
	const struct call *c = arg;

	if (c->read)
		vfiomem_copy(VFIOMEM_ATTR_PRIVATE, own, c->attr, (void *)c->p, c->n, c->order);
	else
		vfiomem_copy(c->attr, (void *)c->p, VFIOMEM_ATTR_PRIVATE, own, c->n, c->order);
}

static size_t count(struct call *c, bool barriers)
{
	const struct trace_log *log = trace_run(call, c, expect);
	size_t i, n = 0;

	if (log->error)
		errx(1, "%s", log->error);
	for (i = 0; i < log->count; i++)
		n += (log->ev[i].kind == MODEL_BARRIER) == barriers;
	return n;
}

static void accesses(void)
{
	struct call c = { .attr = VFIOMEM_ATTR(VFIOMEM_NONCACHED, 0, 0) };
	unsigned long made = 0, least = 0;
	unsigned int align;

	for (c.read = false;; c.read = true) {
		for (c.n = 1; c.n <= 300; c.n += c.n < 20 ? 1 : 7)
			for (align = 0; align < 8; align++) {
				c.p = TRACE_DST + 4096 + align;
				made += count(&c, false);
				least += model_minimum(c.p, c.n, 8);
			}
		if (c.read)
			break;
	}
	printf("%lu %lu\n", made, least);
}

static void barriers(void)
{
	static const struct {
		const char *name;
		struct vfiomem_attr attr;
	} memory[] = {
		{ "NONCACHED", VFIOMEM_ATTR(VFIOMEM_NONCACHED, 0, 0) },
		{ "WRITECOMBINE", VFIOMEM_ATTR(VFIOMEM_WRITECOMBINE, 0, VFIOMEM_UNALIGNED |
					       VFIOMEM_VECTOR) },
		{ "guest RAM", VFIOMEM_ATTR_RAM },
	};
	static const struct {
		const char *name;
		unsigned int order;
		bool read;
	} order[] = {
		{ "RELAXED", VFIOMEM_RELAXED, false },
		{ "PUBLISH", VFIOMEM_PUBLISH, false },
		{ "ASCENDING write", VFIOMEM_ASCENDING_WRITE, false },
		{ "ACQUIRE", VFIOMEM_ACQUIRE, true },
		{ "ASCENDING read", VFIOMEM_ASCENDING_READ, true },
	};
	unsigned int m, o;

	for (m = 0; m < sizeof(memory) / sizeof(*memory); m++) {
		printf("%s:", memory[m].name);
		for (o = 0; o < sizeof(order) / sizeof(*order); o++) {
			struct call c = {
				.attr = memory[m].attr, .p = TRACE_DST + 4096, .n = 64,
				.order = order[o].order, .read = order[o].read,
			};

			printf("%s %s %zu", o ? "," : "", order[o].name, count(&c, true));
		}
		putchar('\n');
	}
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: %s TABLE accesses|barriers", argv[0]);
	trace_init(argv[1]);
	if (!strcmp(argv[2], "accesses"))
		accesses();
	else
		barriers();
	return 0;
}

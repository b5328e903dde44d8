// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instructions that each order comes to, for the litmus tests to be
 * compared with.
 *
 *	trace_shapes TABLE
 *
 * Prints one line an access or barrier: the shape's name and the address of
 * the instruction.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "trace.h"
#include "vfiomem.h"

static const struct shape {
	const char *name;
	size_t n;
	unsigned int order;
	uint8_t mode;
	uint8_t access;
} shapes[] = {
	{ "publish", 16, VFIOMEM_PUBLISH, VFIOMEM_NORMAL, 0 },
	{ "publish-one", 8, VFIOMEM_PUBLISH, VFIOMEM_NORMAL, 0 },
	{ "publish-ram", 16, VFIOMEM_PUBLISH, VFIOMEM_NORMAL, 0x7f },
	{ "publish-writecombine", 16, VFIOMEM_PUBLISH, VFIOMEM_WRITECOMBINE, 0 },
	{ "publish-device", 16, VFIOMEM_PUBLISH, VFIOMEM_DEVICE, 0 },
	{ "ascending-write", 24, VFIOMEM_ASCENDING_WRITE, VFIOMEM_NORMAL, 0 },
	{ "acquire", 16, VFIOMEM_ACQUIRE, VFIOMEM_NORMAL, 0 },
	{ "acquire-ram", 16, VFIOMEM_ACQUIRE, VFIOMEM_NORMAL, 0x7f },
	{ "ascending-read", 24, VFIOMEM_ASCENDING_READ, VFIOMEM_NORMAL, 0 },
};

static void call(void *arg)
{
	const struct shape *s = arg;
	const struct vfiomem_attr attr = VFIOMEM_ATTR(s->mode, 0, s->access);
	static uint8_t own[64];

	if (s->order & (VFIOMEM_PUBLISH | VFIOMEM_ASCENDING_WRITE))
		vfiomem_copy(attr, (void *)TRACE_DST, VFIOMEM_ATTR_PRIVATE, own, s->n,
			     s->order);
	else
		vfiomem_copy(VFIOMEM_ATTR_PRIVATE, own, attr, (void *)TRACE_DST, s->n,
			     s->order);
}

int main(int argc, char **argv)
{
	static uint8_t expect[TRACE_SIZE];
	size_t i, j;

	if (argc != 2)
		errx(2, "usage: %s TABLE", argv[0]);
	trace_init(argv[1]);
	for (i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct trace_log *log = trace_run(call, (void *)&shapes[i], expect);

		if (log->error)
			errx(1, "%s: %s", shapes[i].name, log->error);
		for (j = 0; j < log->count; j++)
			printf("%s %#lx\n", shapes[i].name, (unsigned long)log->pcs[j]);
	}
	return 0;
}

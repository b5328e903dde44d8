// SPDX-License-Identifier: GPL-2.0-only
/*
 * Judge a log that lib_test has left: did the device see what libvfiomem
 * promises?
 *
 *	lib_judge amd64|arm64 LOG
 *
 * The judge of the promises is that of ../vfiomem/model.c.  What it knows about
 * barriers does not matter here: the log has the accesses in the order in which
 * the device saw them, so each is taken to stand behind a barrier.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../../lib/vfiomem/vfiomem.h"
#include "../vfiomem/ktap.h"
#include "../vfiomem/model.h"
#include "lib_calls.h"
#include "mocklog.h"

#define EVENTS	1024

static enum model_order order_of(unsigned int order)
{
	if (order & VFIOMEM_PUBLISH)
		return MODEL_PUBLISH;
	if (order & VFIOMEM_ACQUIRE)
		return MODEL_ACQUIRE;
	if (order & VFIOMEM_ASCENDING)
		return MODEL_ASCENDING;
	return MODEL_RELAXED;
}

static bool reads(const struct call *c)
{
	return c->kind == CALL_COPY_FROM || c->kind == CALL_LOAD;
}

/* The bytes of a write, as the device got them. */
static bool right_bytes(const struct call *c, const struct mocklog_record *r)
{
	unsigned int i;

	if (reads(c))
		return true;
	for (i = 0; i < r->width && i < 8; i++)
		if ((uint8_t)(r->data >> 8 * i) !=
		    call_byte(c, r->offset - c->offset + i))
			return false;
	return true;
}

/* Judge the accesses from @seq on.  Return: what is wrong, or NULL. */
static const char *judge(const struct mocklog *log, uint64_t seq,
			 enum model_arch arch, const struct call *c)
{
	const struct model_side side = {
		.arch = arch,
		.dir = reads(c) ? MODEL_READ : MODEL_WRITE,
		.order = order_of(c->order),
		.p = c->offset,
		.n = c->n,
		.mode = VFIO_MMAP_CACHE_MODE_NONCACHED,
		.max_width = c->max_width,
		.vector = 8,
		.atomic = 8,
		.granule = c->granule,
		.watched = true,
	};
	static struct model_event events[EVENTS];
	const struct mocklog_record *r;
	size_t n = 0, accesses = 0;
	const char *why;

	for (; (r = mocklog_get(log, seq)) && r->kind != MOCKLOG_MARK; seq++) {
		if (r->bar != c->bar ||
		    (r->kind != MOCKLOG_READ && r->kind != MOCKLOG_WRITE))
			continue;
		if (n + 2 > EVENTS)
			return "more accesses than anybody could need";
		if (!right_bytes(c, r))
			return "bytes: not those of the source";
		events[n++] = (struct model_event) {
			.kind = MODEL_BARRIER, .barrier = 0xff,
		};
		events[n++] = (struct model_event) {
			.addr = r->offset, .width = r->width,
			.kind = r->kind == MOCKLOG_READ ? MODEL_LOAD :
							  MODEL_STORE,
		};
		accesses++;
	}
	why = model_judge(&side, events, n);
	if (!why && accesses != model_count(&side))
		why = "minimal: fewer accesses than there are pieces";
	return why;
}

int main(int argc, char **argv)
{
	static const char *const names[CALL_KINDS] = {
		[CALL_COPY_TO]		= "vfiomem_copy() to the device",
		[CALL_COPY_FROM]	= "vfiomem_copy() from the device",
		[CALL_MOVE_TO]		= "vfiomem_move() to the device",
		[CALL_FILL]		= "vfiomem_fill()",
		[CALL_STORE]		= "vfiomem_store8() to _store64()",
		[CALL_LOAD]		= "vfiomem_load8() to _load64()",
		[CALL_MEMCPY]		= "libc's memcpy()",
		[CALL_DESCENDING]	= "a descending copy",
	};
	unsigned int calls[CALL_KINDS] = { 0 }, bad[CALL_KINDS] = { 0 };
	const char *example[CALL_KINDS] = { NULL };
	const struct mocklog_record *r;
	enum model_arch arch;
	struct mocklog log;
	unsigned int kind;
	uint64_t seq;

	if (argc != 3) {
		fprintf(stderr, "usage: lib_judge amd64|arm64 LOG\n");
		return 2;
	}
	arch = strcmp(argv[1], "arm64") ? MODEL_X86 : MODEL_ARM64;
	if (mocklog_open(&log, argv[2])) {
		fprintf(stderr, "lib_judge: %s: no log\n", argv[2]);
		return 2;
	}
	ktap_start();
	for (seq = 0; (r = mocklog_get(&log, seq)); seq++) {
		struct call c = call_of_mark(r->data);
		const char *why;

		if (r->kind != MOCKLOG_MARK || c.kind == CALL_END ||
		    c.kind >= CALL_KINDS)
			continue;
		why = judge(&log, seq + 1, arch, &c);
		calls[c.kind]++;
		if (!why)
			continue;
		if (!bad[c.kind]++) {
			example[c.kind] = why;
			printf("# %s of %u bytes at 0x%x, order 0x%x, width %u: %s\n",
			       names[c.kind], c.n, c.offset, c.order,
			       c.max_width, why);
		}
	}
	for (kind = 1; kind < CALL_KINDS; kind++) {
		const bool broken = kind >= CALL_MEMCPY;

		if (!calls[kind])
			continue;
		ktap_result(broken ? bad[kind] > 0 : !bad[kind],
			    "%s: %u calls, %u broke a promise%s%s",
			    names[kind], calls[kind], bad[kind],
			    broken ? ", as it should: " : "",
			    broken && bad[kind] ? example[kind] : "");
	}
	return ktap_finish();
}

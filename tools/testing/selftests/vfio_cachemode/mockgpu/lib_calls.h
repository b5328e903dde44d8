/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How lib_test, in the guest, tells lib_judge, on the host, what the accesses
 * after a MARK belong to.
 */
#ifndef MOCKGPU_LIB_CALLS_H
#define MOCKGPU_LIB_CALLS_H

#include <stdint.h>

enum call_kind {
	CALL_END,		/* the accesses that follow belong to no call */
	CALL_COPY_TO,		/* vfiomem_copy() to the device */
	CALL_COPY_FROM,
	CALL_MOVE_TO,
	CALL_FILL,
	CALL_STORE,		/* vfiomem_store8() to _store64() */
	CALL_LOAD,
	CALL_MEMCPY,		/* what the library is for: libc's memcpy() */
	CALL_DESCENDING,	/* a copy that begins at the end */
	CALL_KINDS,
};

/*
 * One call.  The bytes that it writes are call_byte() of its offset, length
 * and each byte's place.
 */
struct call {
	enum call_kind kind;
	uint8_t bar;
	uint8_t order;		/* enum vfiomem_order */
	uint8_t granule;
	uint8_t max_width;
	uint16_t offset;
	uint16_t n;
};

static inline uint64_t call_mark(const struct call *c)
{
	return (uint64_t)c->kind << 56 | (uint64_t)c->bar << 52 |
	       (uint64_t)(c->granule & 15) << 48 | (uint64_t)c->order << 40 |
	       (uint64_t)c->max_width << 32 | (uint32_t)c->offset << 16 | c->n;
}

static inline struct call call_of_mark(uint64_t mark)
{
	return (struct call) {
		.kind = mark >> 56, .bar = mark >> 52 & 15,
		.granule = mark >> 48 & 15, .order = mark >> 40,
		.max_width = mark >> 32, .offset = mark >> 16, .n = mark,
	};
}

static inline uint8_t call_byte(const struct call *c, unsigned int i)
{
	if (c->kind == CALL_FILL)
		return c->offset * 7 + c->n;
	return c->offset * 31 + c->n * 7 + i * 13 + 1;
}

#endif /* MOCKGPU_LIB_CALLS_H */

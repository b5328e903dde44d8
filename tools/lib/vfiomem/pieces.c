// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Runs of naturally aligned accesses.
 *
 * With V the widest power of two that has a multiple in the range, the bytes
 * before the first multiple are copied by accesses that ascend in size (one
 * for each bit that is set in their number), the bytes after the last by
 * accesses that descend, and those between by accesses of V.  No division into
 * aligned powers of two has fewer.
 */
#include "internal.h"

static inline void copy_one(volatile char *dst, const volatile char *src,
			    unsigned int width, bool stream)
{
	switch (width) {
	case 1:
		copy8(dst, src);
		break;
	case 2:
		copy16(dst, src);
		break;
	case 4:
		copy32(dst, src);
		break;
	case 8:
		copy64(dst, src);
		break;
#if ARCH_WIDEST >= 16
	case 16:
		arch_copy16s(dst, src, 16, stream);
		break;
#endif
#if ARCH_WIDEST >= 32
	case 32:
		arch_copy32s(dst, src, 32, stream);
		break;
#endif
#if ARCH_WIDEST >= 64
	case 64:
		arch_copy64s(dst, src, 64, stream);
		break;
#endif
	}
	(void)stream;
}

/* @n bytes, a multiple of @width, by accesses of that width. */
static inline void copy_body(volatile char *dst, const volatile char *src,
			     size_t n, unsigned int width, bool stream)
{
	const volatile char *end = src + n;

	switch (width) {
	case 1:
		for (; src != end; dst += 1, src += 1)
			copy8(dst, src);
		break;
	case 2:
		for (; src != end; dst += 2, src += 2)
			copy16(dst, src);
		break;
	case 4:
		for (; src != end; dst += 4, src += 4)
			copy32(dst, src);
		break;
	case 8:
		for (; src != end; dst += 8, src += 8)
			copy64(dst, src);
		break;
#if ARCH_WIDEST >= 16
	case 16:
		arch_copy16s(dst, src, n, stream);
		break;
#endif
#if ARCH_WIDEST >= 32
	case 32:
		arch_copy32s(dst, src, n, stream);
		break;
#endif
#if ARCH_WIDEST >= 64
	case 64:
		arch_copy64s(dst, src, n, stream);
		break;
#endif
	}
	(void)stream;
}

/* With a barrier between one access and the next: no loop is worth tuning. */
static void copy_separated(volatile char *dst, const volatile char *src,
			   size_t n, size_t head, unsigned int width,
			   unsigned int mode, unsigned int flags)
{
	while (n) {
		unsigned int w = pieces_next(n, &head, width);

		copy_one(dst, src, w, false);
		dst += w;
		src += w;
		n -= w;
		if (flags & RUN_SEPARATE_WR)
			arch_separate_writes(mode);
		if (flags & RUN_SEPARATE_RD)
			arch_separate_reads(mode);
	}
}

size_t vfiomem_pieces(volatile void *to, const volatile void *from, size_t n,
		      uintptr_t align, unsigned int width, unsigned int mode,
		      unsigned int flags)
{
	const bool stream = flags & RUN_STREAM;
	const volatile char *src = from;
	volatile char *dst = to;
	size_t head, body, tail;
	unsigned int w;

	head = pieces_head(align, n, &width);
	if (stream && n >= 16)
		arch_before_stream();
	if (unlikely(flags & (RUN_SEPARATE_RD | RUN_SEPARATE_WR))) {
		copy_separated(dst, src, n, head, width, mode, flags);
		return n;
	}

	tail = (n - head) & (width - 1);
	body = n - head - tail;
	for (w = 1; head; w *= 2) {
		if (head & w) {
			copy_one(dst, src, w, stream);
			dst += w;
			src += w;
			head -= w;
		}
	}
	copy_body(dst, src, body, width, stream);
	dst += body;
	src += body;
	for (w = width / 2; tail; w /= 2) {
		if (tail & w) {
			copy_one(dst, src, w, stream);
			dst += w;
			src += w;
			tail -= w;
		}
	}
	return n;
}

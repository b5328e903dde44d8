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
#include "pieces.h"

/* Accesses of one width to @n bytes, a multiple of it. */
static inline void copy_body(volatile char *dst, const volatile char *src,
			     size_t n, unsigned int width, bool stream)
{
	const volatile char *const end = src + n;

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
#if ARCH_WIDEST > 8
	case 16:
		arch_copy16s(dst, src, n, stream);
		break;
	case 32:
		arch_copy32s(dst, src, n, stream);
		break;
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

		copy_body(dst, src, w, w, false);
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
	const size_t head = pieces_head(align, n, &width);
	const size_t tail = (n - head) & (width - 1);
	const size_t body = n - head - tail;
	const bool stream = flags & RUN_STREAM;
	const volatile char *src = from;
	volatile char *dst = to;

	if (unlikely(flags & (RUN_SEPARATE_RD | RUN_SEPARATE_WR))) {
		copy_separated(dst, src, n, head, width, mode, flags);
		return n;
	}
	if (stream && n >= 16)
		arch_before_stream();
	if (head)
		copy_head(dst, src, head, stream);
	if (body)
		copy_body(dst + head, src + head, body, width, stream);
	if (tail)
		copy_tail(dst + head + body, src + head + body, tail, stream);
	return n;
}

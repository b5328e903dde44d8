/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* The bytes before and after the whole accesses of a run: see pieces.c. */
#ifndef VFIOMEM_PIECES_H
#define VFIOMEM_PIECES_H

#include "internal.h"

/* If @n has the bit @width, an access of that width. */
#define PIECE(width, copy)						       \
	do {								       \
		if (n & (width)) {					       \
			copy;						       \
			dst += (width);					       \
			src += (width);					       \
		}							       \
	} while (0)

static inline void copy_head(volatile char *dst, const volatile char *src,
			     size_t n, bool stream)
{
	PIECE(1, copy8(dst, src));
	PIECE(2, copy16(dst, src));
	PIECE(4, copy32(dst, src));
#if ARCH_WIDEST > 8
	PIECE(8, copy64(dst, src));
	PIECE(16, arch_copy16(dst, src, stream));
	PIECE(32, arch_copy32(dst, src, stream));
#endif
	(void)stream;
}

static inline void copy_tail(volatile char *dst, const volatile char *src,
			     size_t n, bool stream)
{
#if ARCH_WIDEST > 8
	PIECE(32, arch_copy32(dst, src, stream));
	PIECE(16, arch_copy16(dst, src, stream));
	PIECE(8, copy64(dst, src));
#endif
	PIECE(4, copy32(dst, src));
	PIECE(2, copy16(dst, src));
	PIECE(1, copy8(dst, src));
	(void)stream;
}

#undef PIECE

#endif /* VFIOMEM_PIECES_H */

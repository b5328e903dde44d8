/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* For CPUs of which only scalar accesses are used, after their barriers. */
#ifndef VFIOMEM_ARCH_SCALAR_H
#define VFIOMEM_ARCH_SCALAR_H

#include "no_shortcuts.h"

static inline void arch_publish(unsigned int mode, volatile void *dst,
				const volatile void *src, size_t n)
{
	arch_before_publish(mode);
	copy_scalar(dst, src, n);
}

static inline void arch_before_stream(void)
{
}

static inline void arch_relaxed(volatile void *dst, const volatile void *src,
				size_t n)
{
	vfiomem_pieces(dst, src, n, (uintptr_t)dst, 8, VFIOMEM_NORMAL, 0);
}

#endif /* VFIOMEM_ARCH_SCALAR_H */

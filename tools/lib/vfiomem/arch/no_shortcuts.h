/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* For CPUs without a short way around the stage, or for short copies. */
#ifndef VFIOMEM_ARCH_NO_SHORTCUTS_H
#define VFIOMEM_ARCH_NO_SHORTCUTS_H

static inline bool arch_realign(volatile void *dst, unsigned int dst_width,
				const volatile void *src, unsigned int src_width,
				size_t n)
{
	(void)dst;
	(void)dst_width;
	(void)src;
	(void)src_width;
	(void)n;
	return false;
}

static inline bool arch_move_up(volatile void *dst, const volatile void *src,
				size_t n, size_t distance)
{
	(void)dst;
	(void)src;
	(void)n;
	(void)distance;
	return false;
}

static inline bool arch_relaxed_short(volatile void *dst,
				      const volatile void *src, size_t n)
{
	(void)dst;
	(void)src;
	(void)n;
	return false;
}

#endif /* VFIOMEM_ARCH_NO_SHORTCUTS_H */

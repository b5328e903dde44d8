/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* For CPUs without a short way around the stage, or for short copies. */
#ifndef VFIOMEM_ARCH_NO_SHORTCUTS_H
#define VFIOMEM_ARCH_NO_SHORTCUTS_H

static inline bool arch_can_realign(unsigned int dst_width,
				    unsigned int src_width)
{
	(void)dst_width;
	(void)src_width;
	return false;
}

static inline void arch_realign(volatile void *dst, const volatile void *src,
				size_t pairs, char *first, size_t held)
{
	(void)dst;
	(void)src;
	(void)pairs;
	(void)first;
	(void)held;
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

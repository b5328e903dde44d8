/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * 64-bit powerpc: scalar accesses.
 *
 * Caching-inhibited memory takes aligned accesses of general registers, and
 * nothing but the heavyweight sync orders it against cacheable memory (Power
 * ISA, book II, "Memory Barrier Instructions").
 */
#ifndef VFIOMEM_ARCH_POWERPC_H
#define VFIOMEM_ARCH_POWERPC_H

/* For guard.c, with the error in operand 2. */
#define ARCH_FIXUP		"li %2, 1\n\tb"
#define ARCH_CONTEXT_PC(uc)	((uc)->uc_mcontext.gp_regs[32])	/* NIP */

#define arch_has_device	true
#define ARCH_WIDEST	8

static inline unsigned int arch_width(unsigned int mode, bool ascending,
				      bool write)
{
	(void)mode;
	(void)ascending;
	(void)write;
	return 8;
}

/* Caching-inhibited and guarded accesses of one kind are not in order either. */
static inline bool arch_separates(unsigned int mode)
{
	(void)mode;
	return true;
}

static inline void arch_separate_writes(unsigned int mode)
{
	/* Enough where all is cacheable; it says nothing about other memory. */
	if (mode == VFIOMEM_NORMAL)
		__asm__ __volatile__("lwsync" ::: "memory");
	else
		vfiomem_wmb();
}

static inline void arch_separate_reads(unsigned int mode)
{
	if (mode == VFIOMEM_NORMAL)
		__asm__ __volatile__("lwsync" ::: "memory");
	else
		vfiomem_rmb();
}

static inline void arch_before_publish(unsigned int mode)
{
	(void)mode;
	vfiomem_wmb();
}

static inline void arch_after_acquire(unsigned int mode)
{
	arch_separate_reads(mode);
}

#include "../scalar.h"

#endif /* VFIOMEM_ARCH_POWERPC_H */

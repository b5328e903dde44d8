/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * riscv64: scalar accesses, and fences that name device input and output.
 *
 * A C fence is for memory only (predecessor and successor sets r and w), so it
 * leaves out every access to a device; these have i and o.
 */
#ifndef VFIOMEM_ARCH_RISCV_H
#define VFIOMEM_ARCH_RISCV_H

/* For guard.c, with the error in operand 2. */
#define ARCH_FIXUP		"li %2, 1\n\tj"
#define ARCH_CONTEXT_PC(uc)	((uc)->uc_mcontext.__gregs[REG_PC])

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

/*
 * Linux maps device memory as I/O with strong ordering where it can, but the
 * channel is the platform's to choose: do not count on it.
 */
static inline bool arch_separates(unsigned int mode)
{
	(void)mode;
	return true;
}

static inline void arch_separate_writes(unsigned int mode)
{
	(void)mode;
	vfiomem_wmb();
}

static inline void arch_separate_reads(unsigned int mode)
{
	(void)mode;
	vfiomem_rmb();
}

/* Also after earlier loads, as a release is. */
static inline void arch_before_publish(unsigned int mode)
{
	(void)mode;
	__asm__ __volatile__("fence iorw, ow" ::: "memory");
}

static inline void arch_after_acquire(unsigned int mode)
{
	arch_separate_reads(mode);
}

#include "../scalar.h"

#endif /* VFIOMEM_ARCH_RISCV_H */

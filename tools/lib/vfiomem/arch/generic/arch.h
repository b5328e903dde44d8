/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A CPU without an implementation of its own, and any CPU under a sanitizer.
 *
 * Guest memory only, by C11's atomics: C has no way to say what a device
 * needs.  Under a sanitizer the accesses must be ones that it sees, and the
 * memory is never a device's, so every mode is let through.
 */
#ifndef VFIOMEM_ARCH_GENERIC_H
#define VFIOMEM_ARCH_GENERIC_H

#ifdef VFIOMEM_INSTRUMENT
#define arch_has_device	true
#else
#define arch_has_device	false
#endif
#define ARCH_WIDEST	8

static inline unsigned int arch_width(unsigned int mode, bool ascending,
				      bool write)
{
	(void)mode;
	(void)ascending;
	(void)write;
	return 8;
}

/* Accesses of ASCENDING order are ordered by nothing but the barriers. */
static inline bool arch_separates(unsigned int mode)
{
	(void)mode;
	return true;
}

static inline void arch_separate_writes(unsigned int mode)
{
	(void)mode;
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void arch_separate_reads(unsigned int mode)
{
	(void)mode;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void arch_before_publish(unsigned int mode)
{
	(void)mode;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void arch_after_acquire(unsigned int mode)
{
	(void)mode;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

#include "../scalar.h"

#endif /* VFIOMEM_ARCH_GENERIC_H */

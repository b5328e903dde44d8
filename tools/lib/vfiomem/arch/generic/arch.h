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

static inline void arch_publish(unsigned int mode, volatile void *dst,
				const volatile void *src, size_t n)
{
	arch_before_publish(mode);
	copy_scalar(dst, src, n);
}

static inline void arch_after_acquire(unsigned int mode)
{
	(void)mode;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void arch_before_stream(void)
{
}

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

static inline void arch_relaxed(volatile void *dst, const volatile void *src,
				size_t n)
{
	vfiomem_pieces(dst, src, n, (uintptr_t)dst, 8, VFIOMEM_NORMAL, 0);
}

#endif /* VFIOMEM_ARCH_GENERIC_H */

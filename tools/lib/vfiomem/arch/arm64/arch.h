/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * arm64.
 *
 * To Device memory (VFIOMEM_NONCACHED, VFIOMEM_DEVICE) go single general
 * registers only: the architecture makes an unaligned access fault there, and
 * a hypervisor that traps one cannot take apart a pair or a vector, because
 * the syndrome does not describe it.
 */
#ifndef VFIOMEM_ARCH_ARM64_H
#define VFIOMEM_ARCH_ARM64_H

/* For guard.c, with the error in operand 2. */
#define ARCH_FIXUP		"mov %w2, #1\n\tb"
#define ARCH_CONTEXT_PC(uc)	((uc)->uc_mcontext.pc)

#define arch_has_device	true
#define ARCH_WIDEST	64

enum arm64_isa {
	ARM64_KNOWN	= 1 << 0,
	ARM64_LSE2	= 1 << 1,	/* aligned 16-byte LDP, STP are atomic */
};

/* What the CPU has; 0 until somebody asks.  Tests may write it. */
VFIOMEM_HIDDEN extern unsigned int vfiomem_arm64_isa;
VFIOMEM_HIDDEN unsigned int vfiomem_arm64_detect(void);

static inline unsigned int arch_width(unsigned int mode, bool ascending,
				      bool write)
{
	unsigned int isa;

	switch (mode) {
	case VFIOMEM_NORMAL:
		if (!ascending)
			return 16;
		isa = __atomic_load_n(&vfiomem_arm64_isa, __ATOMIC_RELAXED);
		if (!isa)
			isa = vfiomem_arm64_detect();
		return isa & ARM64_LSE2 ? 16 : 8;
	case VFIOMEM_WRITECOMBINE:
		/* Whole lines, so that they are not gathered from pieces. */
		return ascending ? 8 : write ? 64 : 16;
	default:
		return 8;
	}
}

/*
 * Accesses to Device-nGnR memory arrive at one device in order (Arm ARM,
 * "Device memory": no Reordering).  Normal memory has no order of its own,
 * cacheable or not.
 */
static inline bool arch_separates(unsigned int mode)
{
	return mode == VFIOMEM_NORMAL || mode == VFIOMEM_WRITECOMBINE;
}

/*
 * Stores to cacheable memory need an order among observers: dmb, for the outer
 * shareable domain, because a DMA master is an observer too.  Those to Normal
 * Non-cacheable memory have to leave the CPU, or they are gathered and the
 * device sees them when it pleases the write buffer: dsb.
 */
static inline void arch_separate_writes(unsigned int mode)
{
	if (mode == VFIOMEM_NORMAL)
		vfiomem_wmb();
	else
		vfiomem_flush_wc();
}

static inline void arch_separate_reads(unsigned int mode)
{
	(void)mode;
	vfiomem_rmb();
}

/*
 * Not only the stores of this call: those to memory of any mode.  A granule
 * that a device takes is a doorbell, and what was written to Normal
 * Non-cacheable memory has to have left by then: dsb.  One in cacheable memory
 * is seen by coherent observers, DMA masters among them, for which dmb orders
 * all that they can see; it is the full one because a release comes after
 * earlier loads, too.
 */
static inline void arch_before_publish(unsigned int mode)
{
	if (mode == VFIOMEM_NORMAL)
		__asm__ __volatile__("dmb osh" ::: "memory");
	else
		vfiomem_flush_wc();
}

#define ARM64_STORE_RELEASE(bits, insn)					       \
	do {								       \
		VFIOMEM_RAW_LOAD(bits, value, src);			       \
		__asm__ __volatile__("dmb oshst\n\t" insn " [%1]"	       \
				     : : "r" (value), "r" (dst) : "memory");   \
	} while (0)

/*
 * In cacheable memory a store-release is after earlier loads, without the wait
 * of a full dmb.  It would be after earlier stores, too, but is an order among
 * the CPUs of the inner shareable domain only: hence dmb oshst before it.
 */
static inline void arch_publish(unsigned int mode, volatile void *dst,
				const volatile void *src, size_t n)
{
	uint64_t value;

	if (mode != VFIOMEM_NORMAL) {
		arch_before_publish(mode);
		copy_scalar(dst, src, n);
		return;
	}
	switch (n) {
	case 1:
		ARM64_STORE_RELEASE(8, "stlrb %w0,");
		break;
	case 2:
		ARM64_STORE_RELEASE(16, "stlrh %w0,");
		break;
	case 4:
		ARM64_STORE_RELEASE(32, "stlr %w0,");
		break;
	default:
		ARM64_STORE_RELEASE(64, "stlr %x0,");
	}
}

static inline void arch_after_acquire(unsigned int mode)
{
	(void)mode;
	vfiomem_rmb();
}

static inline void arch_before_stream(void)
{
}

#define ARM64_LOOP(width, one)						       \
	for (; n; n -= (width), dst += (width), src += (width))		       \
		__asm__ __volatile__(one : : "r" (dst), "r" (src)	       \
				     : "memory", "v0", "v1", "v2", "v3")

/*
 * A single access is a pair of general registers, which with FEAT_LSE2 is
 * atomic if it is aligned; vectors are not promised to be.
 */
static inline void arch_copy16(volatile char *dst, const volatile char *src,
			       bool stream)
{
	(void)stream;
	__asm__ __volatile__("ldp x9, x10, [%1]\n\t"
			     "stp x9, x10, [%0]"
			     : : "r" (dst), "r" (src)
			     : "memory", "x9", "x10");
}

static inline void arch_copy16s(volatile char *dst, const volatile char *src,
				size_t n, bool stream)
{
	if (n == 16) {
		arch_copy16(dst, src, stream);
		return;
	}
	for (; n >= 64; n -= 64, dst += 64, src += 64)
		__asm__ __volatile__("ldr q0, [%1]\n\t"
				     "ldr q1, [%1, #16]\n\t"
				     "ldr q2, [%1, #32]\n\t"
				     "ldr q3, [%1, #48]\n\t"
				     "str q0, [%0]\n\t"
				     "str q1, [%0, #16]\n\t"
				     "str q2, [%0, #32]\n\t"
				     "str q3, [%0, #48]"
				     : : "r" (dst), "r" (src)
				     : "memory", "v0", "v1", "v2", "v3");
	ARM64_LOOP(16, "ldr q0, [%1]\n\tstr q0, [%0]");
}

static inline void arch_copy32(volatile char *dst, const volatile char *src,
			       bool stream)
{
	(void)stream;
	__asm__ __volatile__("ld1 {v0.16b, v1.16b}, [%1]\n\t"
			     "st1 {v0.16b, v1.16b}, [%0]"
			     : : "r" (dst), "r" (src)
			     : "memory", "v0", "v1");
}

static inline void arch_copy32s(volatile char *dst, const volatile char *src,
				size_t n, bool stream)
{
	(void)stream;
	ARM64_LOOP(32, "ld1 {v0.16b, v1.16b}, [%1]\n\t"
		       "st1 {v0.16b, v1.16b}, [%0]");
}

static inline void arch_copy64s(volatile char *dst, const volatile char *src,
				size_t n, bool stream)
{
	(void)stream;
	ARM64_LOOP(64, "ld1 {v0.16b, v1.16b, v2.16b, v3.16b}, [%1]\n\t"
		       "st1 {v0.16b, v1.16b, v2.16b, v3.16b}, [%0]");
}

#include "../no_shortcuts.h"

static inline void arch_relaxed(volatile void *dst, const volatile void *src,
				size_t n)
{
	vfiomem_pieces(dst, src, n, n > 64 ? (uintptr_t)dst : 0, 16,
		       VFIOMEM_NORMAL, 0);
}

#endif /* VFIOMEM_ARCH_ARM64_H */

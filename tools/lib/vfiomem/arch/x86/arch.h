/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * x86-64.
 *
 * The registers are named in the assembly rather than chosen by the compiler,
 * so that no part of the library is compiled for a CPU newer than the oldest,
 * and nothing but the instructions below depends on what cpuid says.
 */
#ifndef VFIOMEM_ARCH_X86_H
#define VFIOMEM_ARCH_X86_H

/* For guard.c, with the error in operand 2. */
#define ARCH_FIXUP		"movl $1, %k2\n\tjmp"
#define ARCH_CONTEXT_PC(uc)	((uc)->uc_mcontext.gregs[REG_RIP])

#define arch_has_device	true
#define ARCH_WIDEST	64

enum x86_isa {
	X86_KNOWN	= 1 << 0,
	X86_SSE41	= 1 << 1,	/* MOVNTDQA */
	X86_AVX		= 1 << 2,
	X86_AVX2	= 1 << 3,	/* 32-byte VMOVNTDQA */
	X86_AVX512	= 1 << 4,	/* F, BW and VL; and BMI2 */
	X86_ATOMIC16	= 1 << 5,	/* aligned 16-byte moves are atomic */
	X86_HYPERVISOR	= 1 << 6,
	X86_VBMI	= 1 << 7,	/* with AVX512: two-source byte permutes */
};

/* What the CPU has; 0 until somebody asks.  Tests may write it. */
VFIOMEM_HIDDEN extern unsigned int vfiomem_x86_isa;
VFIOMEM_HIDDEN unsigned int vfiomem_x86_detect(void);

/* What is known so far: too little is right, too. */
static inline unsigned int x86_isa_seen(void)
{
	return __atomic_load_n(&vfiomem_x86_isa, __ATOMIC_RELAXED);
}

static inline unsigned int x86_isa(void)
{
	unsigned int isa = x86_isa_seen();

	return likely(isa) ? isa : vfiomem_x86_detect();
}

static inline unsigned int arch_width(unsigned int mode, bool ascending,
				      bool write)
{
	unsigned int isa = x86_isa();
	unsigned int widest = isa & X86_AVX512 ? 64 : isa & X86_AVX ? 32 : 16;

	switch (mode) {
	case VFIOMEM_NORMAL:
		if (ascending)
			return isa & X86_ATOMIC16 ? 16 : 8;
		return widest;
	case VFIOMEM_WRITECOMBINE:
		if (ascending)
			return 8;
		/* AVX without AVX2 has no 32-byte MOVNTDQA. */
		return !write && widest == 32 && !(isa & X86_AVX2) ? 16 : widest;
	default:
		if (ascending)
			return 8;
		/*
		 * A hypervisor that traps registers emulates the access, and
		 * KVM's emulator knows SSE moves, no VEX ones before 7.3 and
		 * no EVEX ones at all.
		 */
		return isa & X86_HYPERVISOR ? 16 : widest;
	}
}

/*
 * Uncached and write-back accesses are in order.  Those to WC memory are not:
 * SDM volume 3, "Buffering of Write Combining Memory Locations".
 */
static inline bool arch_separates(unsigned int mode)
{
	return mode == VFIOMEM_WRITECOMBINE;
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

/*
 * Stores are in order, but for those to WC memory and non-temporal ones, which
 * this thread may have made before this call.
 */
static inline void arch_before_publish(unsigned int mode)
{
	(void)mode;
	vfiomem_wmb();
}

static inline void arch_publish(unsigned int mode, volatile void *dst,
				const volatile void *src, size_t n)
{
	arch_before_publish(mode);
	copy_scalar(dst, src, n);
}

static inline void arch_after_acquire(unsigned int mode)
{
	if (mode == VFIOMEM_WRITECOMBINE)
		vfiomem_rmb();
}

/*
 * MOVNTDQA may be answered from a buffer that an earlier one filled; SDM
 * volume 1, "Streaming Load Hint Instruction", wants MFENCE against that.
 */
static inline void arch_before_stream(void)
{
	__asm__ __volatile__("mfence" ::: "memory");
}

/* The compiler uses the upper registers only if it was told that they exist. */
#ifdef __AVX512F__
#define X86_UPPER	"xmm16", "xmm17", "xmm18", "xmm19", "k1",
#else
#define X86_UPPER
#endif

#define X86_COPY1(load, store, reg)					       \
	__asm__ __volatile__(load " (%1), %%" reg "\n\t"		       \
			     store " %%" reg ", (%0)"			       \
			     : : "r" (dst), "r" (src)			       \
			     : X86_UPPER "memory", "xmm0")

#define X86_COPY4(load, store, r0, r1, r2, r3, w1, w2, w3)		       \
	__asm__ __volatile__(load " (%1), %%" r0 "\n\t"			       \
			     load " " w1 "(%1), %%" r1 "\n\t"		       \
			     load " " w2 "(%1), %%" r2 "\n\t"		       \
			     load " " w3 "(%1), %%" r3 "\n\t"		       \
			     store " %%" r0 ", (%0)\n\t"		       \
			     store " %%" r1 ", " w1 "(%0)\n\t"		       \
			     store " %%" r2 ", " w2 "(%0)\n\t"		       \
			     store " %%" r3 ", " w3 "(%0)"		       \
			     : : "r" (dst), "r" (src)			       \
			     : X86_UPPER				       \
			       "memory", "xmm0", "xmm1", "xmm2", "xmm3")

/* Run @one, or @four times it while there are so many, over @n bytes. */
#define X86_LOOP(width, one, four)					       \
	do {								       \
		for (; n >= 4 * (width); n -= 4 * (width)) {		       \
			four;						       \
			dst += 4 * (width);				       \
			src += 4 * (width);				       \
		}							       \
		for (; n >= (width); n -= (width)) {			       \
			one;						       \
			dst += (width);					       \
			src += (width);					       \
		}							       \
	} while (0)

#define X86_LOOP16(load, store)						       \
	X86_LOOP(16, X86_COPY1(load, store, "xmm0"),			       \
		 X86_COPY4(load, store, "xmm0", "xmm1", "xmm2", "xmm3",	       \
			   "16", "32", "48"))
#define X86_LOOP32(load, store)						       \
	X86_LOOP(32, X86_COPY1(load, store, "ymm0"),			       \
		 X86_COPY4(load, store, "ymm0", "ymm1", "ymm2", "ymm3",	       \
			   "32", "64", "96"))
/* EVEX and registers from 16 up: no vzeroupper is needed after them. */
#define X86_LOOP32_EVEX(load, store)					       \
	X86_LOOP(32, X86_COPY1(load, store, "ymm16"),			       \
		 X86_COPY4(load, store, "ymm16", "ymm17", "ymm18", "ymm19",    \
			   "32", "64", "96"))
#define X86_LOOP64(load, store)						       \
	X86_LOOP(64, X86_COPY1(load, store, "zmm16"),			       \
		 X86_COPY4(load, store, "zmm16", "zmm17", "zmm18", "zmm19",    \
			   "64", "128", "192"))

/*
 * Whole accesses of 16 bytes.  That an aligned one is atomic is documented for
 * the aligned moves, so these are used on each side that is aligned: SDM
 * volume 3, "Guaranteed Atomic Operations"; APM volume 2, "Access Atomicity".
 */
static inline void arch_copy16s(volatile char *dst, const volatile char *src,
				size_t n, bool stream)
{
	bool dst_aligned = !((uintptr_t)dst & 15);
	bool src_aligned = !((uintptr_t)src & 15);

	if (stream && x86_isa() & X86_SSE41)
		X86_LOOP16("movntdqa", "movups");
	else if (dst_aligned && src_aligned)
		X86_LOOP16("movaps", "movaps");
	else if (dst_aligned)
		X86_LOOP16("movups", "movaps");
	else if (src_aligned)
		X86_LOOP16("movaps", "movups");
	else
		X86_LOOP16("movups", "movups");
}

/* A piece of a run of wider accesses, which promises no atomicity. */
static inline void arch_copy16(volatile char *dst, const volatile char *src,
			       bool stream)
{
	if (stream && x86_isa() & X86_SSE41)
		X86_COPY1("movntdqa", "movups", "xmm0");
	else
		X86_COPY1("movups", "movups", "xmm0");
}

/* The same; only accesses of 64 bytes are wider. */
static inline void arch_copy32(volatile char *dst, const volatile char *src,
			       bool stream)
{
	if (stream)
		X86_COPY1("vmovntdqa", "vmovdqu64", "ymm16");
	else
		X86_COPY1("vmovdqu64", "vmovdqu64", "ymm16");
}

static inline void arch_copy32s(volatile char *dst, const volatile char *src,
				size_t n, bool stream)
{
	if (x86_isa() & X86_AVX512) {
		if (stream)
			X86_LOOP32_EVEX("vmovntdqa", "vmovdqu64");
		else
			X86_LOOP32_EVEX("vmovdqu64", "vmovdqu64");
		return;
	}
	if (stream)
		X86_LOOP32("vmovntdqa", "vmovdqu");
	else
		X86_LOOP32("vmovdqu", "vmovdqu");
	/* SSE code after this, ours or the caller's, would be slow without. */
	__asm__ __volatile__("vzeroupper" ::: "memory", "xmm0", "xmm1", "xmm2",
			     "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			     "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
			     "xmm14", "xmm15");
}

static inline void arch_copy64s(volatile char *dst, const volatile char *src,
				size_t n, bool stream)
{
	if (stream)
		X86_LOOP64("vmovntdqa", "vmovdqu64");
	else
		X86_LOOP64("vmovdqu64", "vmovdqu64");
}

#define X86_LOAD(at, reg)	"vmovdqu64 " at "(%[src]), %%" reg "\n\t"
#define X86_STORE(at, reg)	"vmovdqu64 %%" reg ", " at "(%[dst])\n\t"

/*
 * Whole lines, and up to 64 bytes at @at by one masked load and store.  Loads
 * come first: they might wait for stores to the same place in another page.
 */
#define X86_COPY_MASKED(loads, stores, at, nr)				       \
	do {								       \
		uint64_t mask;						       \
									       \
		__asm__ __volatile__(loads				       \
			"bzhi %[n], %[ones], %[mask]\n\t"		       \
			"kmovq %[mask], %%k1\n\t"			       \
			"vmovdqu8 " at "(%[src]), %%zmm16%{%%k1%}%{z%}\n\t"    \
			stores						       \
			"vmovdqu8 %%zmm16, " at "(%[dst])%{%%k1%}"	       \
			: [mask] "=&r" (mask)				       \
			: [dst] "r" (dst), [src] "r" (src),		       \
			  [n] "r" (nr), [ones] "r" (~0ULL)		       \
			: X86_UPPER "memory", "cc");			       \
	} while (0)

/* 0 to 64 bytes. */
static inline void x86_copy_masked(volatile char *dst,
				   const volatile char *src, size_t n)
{
	X86_COPY_MASKED("", "", "0", n);
}

VFIOMEM_HIDDEN
void vfiomem_x86_relaxed(volatile void *dst, const volatile void *src,
			 size_t n);

static inline void x86_copy64(volatile char *dst, const volatile char *src)
{
	X86_COPY1("vmovdqu64", "vmovdqu64", "zmm16");
}

/*
 * 0 to 256 bytes.  A ladder rather than a loop: one branch that is hard to
 * tell, not two.
 */
static inline __attribute__((__always_inline__))
void x86_copy_short(volatile char *dst, const volatile char *src, size_t n)
{
	if (n <= 64)
		x86_copy_masked(dst, src, n);
	else if (n <= 128)
		X86_COPY_MASKED(X86_LOAD("0", "zmm17"),
				X86_STORE("0", "zmm17"), "64", n - 64);
	else if (n <= 192)
		X86_COPY_MASKED(X86_LOAD("0", "zmm17") X86_LOAD("64", "zmm18"),
				X86_STORE("0", "zmm17") X86_STORE("64", "zmm18"),
				"128", n - 128);
	else
		X86_COPY_MASKED(X86_LOAD("0", "zmm17") X86_LOAD("64", "zmm18")
				X86_LOAD("128", "zmm19"),
				X86_STORE("0", "zmm17") X86_STORE("64", "zmm18")
				X86_STORE("128", "zmm19"), "192", n - 192);
}

static inline bool arch_relaxed_short(volatile void *dst,
				      const volatile void *src, size_t n)
{
	if (unlikely(!(x86_isa_seen() & X86_AVX512)) || n > 256)
		return false;
	x86_copy_short(dst, src, n);
	return true;
}

VFIOMEM_HIDDEN
void vfiomem_x86_realign(volatile void *dst, const volatile void *src,
			 size_t n);

/* Lines of 64 bytes, from one place to another that lies differently in them. */
static inline bool arch_realign(volatile void *dst, unsigned int dst_width,
				const volatile void *src, unsigned int src_width,
				size_t n)
{
	const unsigned int both = X86_AVX512 | X86_VBMI;

	if (n < 256 || dst_width != 64 || src_width != 64 ||
	    (x86_isa() & both) != both)
		return false;
	vfiomem_x86_realign(dst, src, n);
	return true;
}

VFIOMEM_HIDDEN
void vfiomem_x86_move_up(volatile void *dst, const volatile void *src,
			 size_t n);

/* What is read before it is overwritten stays in registers. */
static inline bool arch_move_up(volatile void *dst, const volatile void *src,
				size_t n, size_t distance)
{
	if (n < 512 || distance > 128 || !(x86_isa() & X86_ATOMIC16))
		return false;
	vfiomem_x86_move_up(dst, src, n);
	return true;
}

static inline void arch_relaxed(volatile void *dst, const volatile void *src,
				size_t n)
{
	vfiomem_x86_relaxed(dst, src, n);
}

#endif /* VFIOMEM_ARCH_X86_H */

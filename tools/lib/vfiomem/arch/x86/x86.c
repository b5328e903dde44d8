// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Which vectors this CPU has, and this kernel saves; and the copies for those
 * that have few.
 */
#include <cpuid.h>

#include "../../pieces.h"

unsigned int vfiomem_x86_isa;

#define XCR0_YMM	0x06U		/* XMM and YMM state */
#define XCR0_ZMM	0xe6U		/* and opmask, ZMM, upper ZMM state */

static unsigned int xcr0(void)
{
	unsigned int low, high;

	__asm__ __volatile__("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	return low;
}

/* Those whose manuals say that an aligned 16-byte AVX move is atomic. */
static bool vendor_says_atomic16(unsigned int b, unsigned int c, unsigned int d)
{
	return (b == signature_INTEL_ebx && c == signature_INTEL_ecx &&
		d == signature_INTEL_edx) ||
	       (b == signature_AMD_ebx && c == signature_AMD_ecx &&
		d == signature_AMD_edx);
}

/*
 * Threads may get here at the same time: all find the same, and none reads a
 * half-written word.
 */
unsigned int vfiomem_x86_detect(void)
{
	const unsigned int needed = bit_AVX512F | bit_AVX512BW |
				    bit_AVX512VL | bit_BMI2;
	unsigned int isa = X86_KNOWN;
	unsigned int max, a, b, c, d, vendor_b, vendor_c, vendor_d, saved;

	__cpuid(0, max, vendor_b, vendor_c, vendor_d);
	__cpuid(1, a, b, c, d);
	if (c & bit_SSE4_1)
		isa |= X86_SSE41;
	if (c & (1U << 31))
		isa |= X86_HYPERVISOR;
	saved = c & bit_OSXSAVE ? xcr0() : 0;
	if (c & bit_AVX && (saved & XCR0_YMM) == XCR0_YMM) {
		isa |= X86_AVX;
		if (vendor_says_atomic16(vendor_b, vendor_c, vendor_d))
			isa |= X86_ATOMIC16;
		if (max >= 7) {
			__cpuid_count(7, 0, a, b, c, d);
			if (b & bit_AVX2)
				isa |= X86_AVX2;
			if ((b & needed) == needed &&
			    (saved & XCR0_ZMM) == XCR0_ZMM) {
				isa |= X86_AVX512;
				if (c & bit_AVX512VBMI)
					isa |= X86_VBMI;
			}
		}
	}
	__atomic_store_n(&vfiomem_x86_isa, isa, __ATOMIC_RELAXED);
	return isa;
}

static inline void copy256(volatile char *dst, const volatile char *src)
{
	X86_COPY4("vmovdqu64", "vmovdqu64", "zmm16", "zmm17", "zmm18", "zmm19",
		  "64", "128", "192");
}

/*
 * A load that follows a store to the same place in another page waits for it.
 * Where the destination begins a little above the source in its page, every
 * load would: such a copy runs downwards instead, where loads come first.  Not
 * one that overlaps, though, which vfiomem_move() makes of a source above.
 */
static bool loads_meet_stores(const volatile char *dst,
			      const volatile char *src, size_t n)
{
	const uintptr_t apart = (uintptr_t)dst - (uintptr_t)src;

	return (apart & 4095) - 1 < 512 && -apart >= n;
}

/* More than 256 bytes. */
static void relaxed_avx512(volatile char *dst, const volatile char *src,
			   size_t n)
{
	const size_t head = -(uintptr_t)dst & 63;

	/* Under a mask without a bit a page that is not there costs much. */
	if (head) {
		x86_copy_masked(dst, src, head);
		dst += head;
		src += head;
		n -= head;
	}
	if (unlikely(loads_meet_stores(dst, src, n))) {
		const size_t tail = n & 63;

		if (tail)
			x86_copy_masked(dst + n - tail, src + n - tail, tail);
		for (n -= tail; n & 255; n -= 64)
			x86_copy64(dst + n - 64, src + n - 64);
		for (; n; n -= 256)
			copy256(dst + n - 256, src + n - 256);
		return;
	}
	for (; n > 256; n -= 256, dst += 256, src += 256)
		copy256(dst, src);
	x86_copy_short(dst, src, n);
}

static APART
void relaxed_pieces(volatile void *dst, const volatile void *src, size_t n)
{
	/* Measured: below this size aligning costs more than it gains. */
	vfiomem_pieces(dst, src, n, n > 128 ? (uintptr_t)dst : 0,
		       arch_width(VFIOMEM_NORMAL, false, true),
		       VFIOMEM_NORMAL, 0);
}

void vfiomem_x86_relaxed(volatile void *dst, const volatile void *src, size_t n)
{
	if (!(x86_isa_seen() & X86_AVX512))
		relaxed_pieces(dst, src, n);
	else if (n > 256)
		relaxed_avx512(dst, src, n);
	else
		x86_copy_short(dst, src, n);
}

/* 0 to 127: 64 of them from n on pick bytes n to n + 63 of two vectors. */
static const uint8_t indices[128] = {
#define FOUR(n)		(n), (n) + 1, (n) + 2, (n) + 3
#define SIXTEEN(n)	FOUR(n), FOUR((n) + 4), FOUR((n) + 8), FOUR((n) + 12)
	SIXTEEN(0), SIXTEEN(16), SIXTEEN(32), SIXTEEN(48),
	SIXTEEN(64), SIXTEEN(80), SIXTEEN(96), SIXTEEN(112),
};

/*
 * Copy pairs of lines: the @held bytes that end at @line + 64, then those of
 * @src, to @dst.  What is left of one line waits in a register for the next,
 * and what is left of the last is put back to @line.
 */
static void realign_pairs(volatile char *dst, const volatile char *src,
			  size_t pairs, char *line, size_t held)
{
	if (!pairs)
		return;
	__asm__ __volatile__("vmovdqu64 (%[indices]), %%zmm18\n\t"
			     "vmovdqu64 (%[line]), %%zmm16\n"
			     "1:\n\t"
			     "vmovdqu64 (%[src]), %%zmm17\n\t"
			     "vpermt2b %%zmm17, %%zmm18, %%zmm16\n\t"
			     "vmovdqu64 %%zmm16, (%[dst])\n\t"
			     "vmovdqu64 64(%[src]), %%zmm16\n\t"
			     "vpermt2b %%zmm16, %%zmm18, %%zmm17\n\t"
			     "vmovdqu64 %%zmm17, 64(%[dst])\n\t"
			     "add $128, %[src]\n\t"
			     "add $128, %[dst]\n\t"
			     "dec %[pairs]\n\t"
			     "jnz 1b\n\t"
			     "vmovdqu64 %%zmm16, (%[line])"
			     : [dst] "+&r" (dst), [src] "+&r" (src),
			       [pairs] "+&r" (pairs)
			     : [indices] "r" (indices + 64 - held),
			       [line] "r" (line)
			     : X86_UPPER "memory", "cc");
}

/* Whole lines, then a tail. */
static inline void copy_lines(volatile char *dst, const volatile char *src,
			      size_t n)
{
	for (; n >= 64; n -= 64, dst += 64, src += 64)
		x86_copy64(dst, src);
	copy_tail(dst, src, n, false);
}

/*
 * Each side has the accesses that are natural to it: the ends meet in a stage,
 * which lies within its lines as the source does, and the whole lines between
 * them in registers.
 */
void vfiomem_x86_realign(volatile void *to, const volatile void *from, size_t n)
{
	char stage[4 * 64] __attribute__((__aligned__(64)));
	const volatile char *src = from;
	volatile char *dst = to;
	const size_t src_head = -(uintptr_t)src & 63;
	const size_t dst_head = -(uintptr_t)dst & 63;
	char *first = stage + 64 - src_head, *last = stage + 64;
	size_t whole;

	copy_head(first, src, src_head, false);
	src += src_head;
	n -= src_head;			/* to be read */
	if (src_head < dst_head) {
		x86_copy64(last, src);
		src += 64;
		n -= 64;
		last += 64;
	}
	copy_head(dst, first, dst_head, false);
	first += dst_head;
	dst += dst_head;

	whole = n & -(size_t)128;
	realign_pairs(dst, src, whole / 128, last - 64, (size_t)(last - first));
	src += whole;
	dst += whole;
	n -= whole;

	copy_lines(last, src, n);
	copy_lines(dst, first, (size_t)(last - first) + n);
}

#define BLOCK(move, p, r0, r1, r2, r3, r4, r5, r6, r7)			       \
	move("0", p, r0) move("16", p, r1) move("32", p, r2)		       \
	move("48", p, r3) move("64", p, r4) move("80", p, r5)		       \
	move("96", p, r6) move("112", p, r7)
#define LOAD(offset, p, reg)	"movups " offset "(" p "), %%" reg "\n\t"
#define STORE(offset, p, reg)	"movaps %%" reg ", " offset "(" p ")\n\t"
#define LOW(move, p)		BLOCK(move, p, "xmm0", "xmm1", "xmm2", "xmm3", \
				      "xmm4", "xmm5", "xmm6", "xmm7")
#define HIGH(move, p)		BLOCK(move, p, "xmm8", "xmm9", "xmm10",	       \
				      "xmm11", "xmm12", "xmm13", "xmm14",      \
				      "xmm15")

/*
 * Writes ascend, by aligned accesses of 16 bytes.  Reads are a block of 128
 * bytes ahead of them, which is no less than dst - src, and wait in registers.
 */
void vfiomem_x86_move_up(volatile void *to, const volatile void *from, size_t n)
{
	char ahead[128 + 256] __attribute__((__aligned__(64)));
	const volatile char *src = from;
	volatile char *dst = to;
	const size_t head = -(uintptr_t)dst & 15;
	size_t pairs = (n - head - 128) / 256;
	const size_t rest = (n - head - 128) % 256;

	vfiomem_x86_relaxed(ahead, src, head + 128);
	src += head + 128;
	copy_head(dst, ahead, head, false);
	dst += head;
	__asm__ __volatile__(LOW(LOAD, "%[ahead]")
			     "1:\n\t"
			     HIGH(LOAD, "%[src]")
			     LOW(STORE, "%[dst]")
			     "sub $-128, %[src]\n\t"
			     "sub $-128, %[dst]\n\t"
			     LOW(LOAD, "%[src]")
			     HIGH(STORE, "%[dst]")
			     "sub $-128, %[src]\n\t"
			     "sub $-128, %[dst]\n\t"
			     "dec %[pairs]\n\t"
			     "jnz 1b\n\t"
			     LOW(STORE, "%[first]")
			     : [dst] "+&r" (dst), [src] "+&r" (src),
			       [pairs] "+&r" (pairs)
			     : [ahead] "r" (ahead + head), [first] "r" (ahead)
			     : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3",
			       "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
			       "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			       "xmm15");
	vfiomem_x86_relaxed(ahead + 128, src, rest);
	vfiomem_pieces(dst, ahead, 128 + rest, (uintptr_t)dst, 16,
		       VFIOMEM_NORMAL, 0);
}

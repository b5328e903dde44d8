// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Which vectors this CPU has, and this kernel saves; and the copies for those
 * that have few.
 */
#include <cpuid.h>

#include "../../internal.h"

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
	const unsigned int f_bw_vl = bit_AVX512F | bit_AVX512BW | bit_AVX512VL;
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
			if ((b & f_bw_vl) == f_bw_vl &&
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

static void relaxed_avx512(volatile char *dst, const volatile char *src,
			   size_t n)
{
	const size_t head = -(uintptr_t)dst & 63;

	if (head) {
		x86_copy_masked(dst, src, head);
		dst += head;
		src += head;
		n -= head;
	}
	for (; n >= 256; n -= 256, dst += 256, src += 256)
		copy256(dst, src);
	for (; n >= 64; n -= 64, dst += 64, src += 64)
		x86_copy64(dst, src);
	if (n)
		x86_copy_masked(dst, src, n);
}

void vfiomem_x86_relaxed(volatile void *dst, const volatile void *src, size_t n)
{
	/* Measured: below these sizes aligning costs more than it gains. */
	if (x86_isa() & X86_AVX512) {
		if (!arch_relaxed_short(dst, src, n))
			relaxed_avx512(dst, src, n);
	} else {
		vfiomem_pieces(dst, src, n, n > 128 ? (uintptr_t)dst : 0,
			       arch_width(VFIOMEM_NORMAL, false, true),
			       VFIOMEM_NORMAL, 0);
	}
}

/* 0 to 127: 64 of them from n on pick bytes n to n + 63 of two vectors. */
static const uint8_t indices[128] = {
#define FOUR(n)		(n), (n) + 1, (n) + 2, (n) + 3
#define SIXTEEN(n)	FOUR(n), FOUR((n) + 4), FOUR((n) + 8), FOUR((n) + 12)
	SIXTEEN(0), SIXTEEN(16), SIXTEEN(32), SIXTEEN(48),
	SIXTEEN(64), SIXTEEN(80), SIXTEEN(96), SIXTEEN(112),
};

/*
 * Each line is read once and written once, both aligned; what is left of one
 * waits in a register for the next.  The last @held bytes are put back to
 * @first.  Bytes before @first are only passed over, under a mask.
 */
void vfiomem_x86_realign(volatile void *dst, const volatile void *src,
			 size_t pairs, char *first, size_t held)
{
	const uint64_t mask = held ? ~0ULL << (64 - held) : 0;
	char *const line = first + held - 64;

	__asm__ __volatile__("kmovq %[mask], %%k1\n\t"
			     "vmovdqu64 (%[indices]), %%zmm18\n\t"
			     "vmovdqu8 (%[line]), %%zmm16%{%%k1%}%{z%}\n"
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
			     "vmovdqu8 %%zmm16, (%[line])%{%%k1%}"
			     : [dst] "+&r" (dst), [src] "+&r" (src),
			       [pairs] "+&r" (pairs)
			     : [indices] "r" (indices + 64 - held),
			       [mask] "r" (mask), [line] "r" (line)
			     : X86_UPPER "memory", "cc");
}

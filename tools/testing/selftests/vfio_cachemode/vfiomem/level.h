/* SPDX-License-Identifier: GPL-2.0-only */
/* CPU levels that the library knows, forced where that is possible. */
#ifndef VFIOMEM_LEVEL_H
#define VFIOMEM_LEVEL_H

#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#include "internal.h"

struct level {
	const char *name;
	unsigned int ram;	/* widest access to NORMAL memory */
	unsigned int vector;	/* widest access to any memory */
	unsigned int atomic;	/* widest access that is documented as atomic */
	unsigned int isa;	/* what the library is made to believe */
};

static const struct level levels[] = {
#if defined(__x86_64__)
	{ "sse2", 16, 16, 8, X86_KNOWN },
	{ "sse41", 16, 16, 8, X86_KNOWN | X86_SSE41 },
	{ "avx", 32, 32, 16, X86_KNOWN | X86_SSE41 | X86_AVX | X86_ATOMIC16 },
	{ "avx2", 32, 32, 16, X86_KNOWN | X86_SSE41 | X86_AVX | X86_AVX2 | X86_ATOMIC16 },
	{ "avx512", 64, 64, 16, X86_KNOWN | X86_SSE41 | X86_AVX | X86_AVX2 | X86_AVX512 |
	  X86_ATOMIC16 },
	{ "avx512-vm", 64, 64, 16, X86_KNOWN | X86_SSE41 | X86_AVX | X86_AVX2 | X86_AVX512 |
	  X86_ATOMIC16 | X86_HYPERVISOR },
	{ "avx512-vbmi", 64, 64, 16, X86_KNOWN | X86_SSE41 | X86_AVX | X86_AVX2 | X86_AVX512 |
	  X86_ATOMIC16 | X86_VBMI },
#elif defined(__aarch64__)
	{ "no-lse2", 16, 64, 8, 0 },
	{ "lse2", 16, 64, 16, 0 },
#else
	{ "scalar", 8, 8, 8, 0 },
#endif
};

/* Return: the level, with the library set to it; NULL if the CPU has less. */
static inline const struct level *level_set(const char *name)
{
	const struct level *l = levels;
	bool have = true;

	while (strcmp(l->name, name))
		if (++l == levels + sizeof(levels) / sizeof(*levels))
			return NULL;
#if defined(__x86_64__)
	if (l->isa & X86_SSE41)
		have &= !!__builtin_cpu_supports("sse4.1");
	if (l->isa & X86_AVX)
		have &= !!__builtin_cpu_supports("avx");
	if (l->isa & X86_AVX2)
		have &= !!__builtin_cpu_supports("avx2");
	if (l->isa & X86_AVX512)
		have &= __builtin_cpu_supports("avx512bw") &&
			__builtin_cpu_supports("avx512vl");
	if (l->isa & X86_VBMI)
		have &= !!__builtin_cpu_supports("avx512vbmi");
	vfiomem_x86_isa = l->isa;
#elif defined(__aarch64__)
	/* LSE2 is the CPU's: the emulator is told which one to be. */
	have = !(getauxval(AT_HWCAP) & (1UL << 25)) == (l->atomic == 8);
#endif
	return have ? l : NULL;
}

#endif /* VFIOMEM_LEVEL_H */

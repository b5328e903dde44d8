// SPDX-License-Identifier: GPL-2.0-only
/*
 * One call of each kind, for callgrind to count its instructions: a figure
 * that a busy machine does not change.  Each function is counted with all that
 * it calls.  valgrind knows no AVX-512, so this is the code for AVX2.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "vfiomem.h"

static uint8_t src[65536] __attribute__((aligned(4096)));
static uint8_t dst[65536] __attribute__((aligned(4096)));

static volatile struct vfiomem_attr ram = VFIOMEM_ATTR_RAM;
static volatile struct vfiomem_attr strict = VFIOMEM_ATTR(VFIOMEM_NORMAL, 0, VFIOMEM_VECTOR);

#define COUNTED __attribute__((noinline, used))

#define COPY(name, order, offset)					\
COUNTED void count_##name(struct vfiomem_attr a, size_t n)		\
{									\
	vfiomem_copy(a, dst + (offset), a, src, n, order);		\
}

COPY(relaxed, VFIOMEM_RELAXED, 0)
COPY(publish, VFIOMEM_PUBLISH, 0)
COPY(ascending, VFIOMEM_ASCENDING, 0)
COPY(strict_misaligned, VFIOMEM_RELAXED, 1)

COUNTED void count_memcpy(struct vfiomem_attr a, size_t n)
{
	(void)a;
	memcpy(dst, src, n);
	bench_use(dst);
}

COUNTED void count_store32(struct vfiomem_attr a, size_t n)
{
	vfiomem_store32(a, dst, n);
}

static void all(size_t n)
{
	count_memcpy(ram, n);
	count_relaxed(ram, n);
	count_publish(ram, n);
	count_ascending(ram, n);
	count_strict_misaligned(strict, n);
	count_store32(ram, n);
}

/* callgrind's --zero-before: what the first calls look up once is left out. */
COUNTED void counted(size_t n)
{
	all(n);
}

int main(int argc, char **argv)
{
	const size_t n = argc > 1 ? strtoul(argv[1], NULL, 0) : 8;

	all(n);
	counted(n);
	return 0;
}

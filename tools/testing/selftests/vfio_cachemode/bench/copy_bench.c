// SPDX-License-Identifier: GPL-2.0-only
/*
 * Speed of copies on write-back memory, against libc and against a step loop.
 *
 * Two page offsets that nearly meet make a copy several times as slow, libc's
 * too (4K aliasing).  So every comparison is made for several classes of
 * (dst - src) mod 4096, with both sides at the same place, and a target is for
 * the median class.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "internal.h"
#include "vfiomem.h"

#define MIB		(1UL << 20)
#define COUNT(a)	(sizeof(a) / sizeof(*(a)))

static uint8_t *src_area, *dst_area;

/* Out of the compiler's sight: attributes and sizes known at run time only. */
static volatile struct vfiomem_attr ram_hidden = VFIOMEM_ATTR_RAM;
static volatile size_t size_hidden;

struct copy {
	struct vfiomem_attr attr;
	uint8_t *dst;
	const uint8_t *src;
	size_t n;
	unsigned int order;
};

static void run_ours(void *arg, size_t times)
{
	const struct copy c = *(struct copy *)arg;

	while (times--)
		vfiomem_copy(c.attr, c.dst, c.attr, c.src, c.n, c.order);
}

static void run_memcpy(void *arg, size_t times)
{
	const struct copy c = *(struct copy *)arg;

	while (times--) {
		memcpy(c.dst, c.src, c.n);
		bench_use(c.dst);
	}
}

static void run_move(void *arg, size_t times)
{
	const struct copy c = *(struct copy *)arg;

	while (times--)
		vfiomem_move(c.attr, c.dst, c.attr, c.src, c.n, c.order, NULL, 0);
}

static void run_memmove(void *arg, size_t times)
{
	const struct copy c = *(struct copy *)arg;

	while (times--) {
		memmove(c.dst, c.src, c.n);
		bench_use(c.dst);
	}
}

/*
 * A step loop as emulators have had it: each step takes the widest access, up
 * to 8 bytes, that both addresses and the rest allow, and goes through the
 * region's operations.
 */
struct operations {
	uint64_t (*read)(const void *p, unsigned int size);
	void (*write)(void *p, uint64_t value, unsigned int size);
};

static uint64_t step_read(const void *p, unsigned int size)
{
	switch (size) {
	case 1:
		return *(const volatile uint8_t *)p;
	case 2:
		return *(const volatile uint16_t *)p;
	case 4:
		return *(const volatile uint32_t *)p;
	default:
		return *(const volatile uint64_t *)p;
	}
}

static void step_write(void *p, uint64_t value, unsigned int size)
{
	switch (size) {
	case 1:
		*(volatile uint8_t *)p = value;
		break;
	case 2:
		*(volatile uint16_t *)p = value;
		break;
	case 4:
		*(volatile uint32_t *)p = value;
		break;
	default:
		*(volatile uint64_t *)p = value;
	}
}

static const struct operations *volatile operations =
	&(const struct operations){ step_read, step_write };

static void step_loop(uint8_t *dst, const uint8_t *src, size_t n)
{
	const struct operations *ops = operations;

	while (n) {
		uintptr_t fits = (uintptr_t)dst | (uintptr_t)src | 8;
		unsigned int step = fits & -fits;

		while (step > n)
			step /= 2;
		ops->write(dst, ops->read(src, step), step);
		dst += step;
		src += step;
		n -= step;
	}
}

static void run_step(void *arg, size_t times)
{
	const struct copy c = *(struct copy *)arg;

	while (times--)
		step_loop(c.dst, c.src, c.n);
}

/* ------------------------------------------------------------------------ */

#define SINGLE(bits)							\
static void load##bits(void *arg, size_t times)				\
{									\
	struct vfiomem_attr attr = ram_hidden;				\
	const uint8_t *p = src_area;					\
									\
	for (; times--; p = src_area + (times & 511) * 8)		\
		bench_use((void *)(uintptr_t)vfiomem_load##bits(attr, p)); \
}									\
static void builtin_load##bits(void *arg, size_t times)			\
{									\
	const uint8_t *p = src_area;					\
	uint##bits##_t v;						\
									\
	for (; times--; p = src_area + (times & 511) * 8) {		\
		__builtin_memcpy(&v, p, sizeof(v));			\
		bench_use((void *)(uintptr_t)v);			\
	}								\
}									\
static void store##bits(void *arg, size_t times)			\
{									\
	struct vfiomem_attr attr = ram_hidden;				\
	uint8_t *p = dst_area;						\
									\
	for (; times--; p = dst_area + (times & 511) * 8)		\
		vfiomem_store##bits(attr, p, times);			\
}									\
static void builtin_store##bits(void *arg, size_t times)		\
{									\
	uint8_t *p = dst_area;						\
	uint##bits##_t v;						\
									\
	for (; times--; p = dst_area + (times & 511) * 8) {		\
		v = times;						\
		__builtin_memcpy(p, &v, sizeof(v));			\
		bench_use(p);						\
	}								\
}

SINGLE(8)
SINGLE(16)
SINGLE(32)
SINGLE(64)

static void singles(void)
{
	static const struct {
		const char *name;
		bench_fn ours, builtin;
	} single[] = {
		{ "load8", load8, builtin_load8 },
		{ "load16", load16, builtin_load16 },
		{ "load32", load32, builtin_load32 },
		{ "load64", load64, builtin_load64 },
		{ "store8", store8, builtin_store8 },
		{ "store16", store16, builtin_store16 },
		{ "store32", store32, builtin_store32 },
		{ "store64", store64, builtin_store64 },
	};
	double ratio[COUNT(single)], worst = 0;
	unsigned int i, at = 0;

	for (i = 0; i < COUNT(single); i++) {
		struct bench_ratio r = bench_compare(single[i].name, single[i].ours, NULL,
						     single[i].builtin, NULL);

		ratio[i] = r.ratio;
		if (r.ratio > worst) {
			worst = r.ratio;
			at = i;
		}
	}
	bench_note("load and store inlines: worst is %s, %.2fx", single[at].name, worst);
	bench_at_most("load/store inline, 1 to 8 bytes", 1.3,
		      bench_median(ratio, COUNT(ratio)), "x constant-size builtin");
}

/* (dst - src) mod 4096; the areas themselves are page aligned. */
static const size_t all_classes[] = { 0, 5, 64, 1024, 2049, 3072, 4091 };
static const size_t misaligned_classes[] = { 1, 5, 1027, 2049, 2310, 3079, 4091 };

/*
 * One size: ours against @peer for every class.  Return the median class's
 * ratio; @note, of at least 160 bytes, gets them all.
 */
static double by_class(const char *what, struct copy *c, size_t misalign,
		       bench_fn ours, bench_fn peer, char *note)
{
	const size_t *classes = c->attr.access & VFIOMEM_UNALIGNED ?
				all_classes : misaligned_classes;
	double ratio[COUNT(all_classes)];
	unsigned int i;

	for (i = 0; i < COUNT(all_classes); i++) {
		char name[96];

		snprintf(name, sizeof(name), "%s %zu class %zu", what, c->n, classes[i]);
		c->src = src_area + misalign;
		c->dst = dst_area + misalign + classes[i];
		ratio[i] = bench_compare(name, ours, c, peer, c).ratio;
		if (note)
			note += sprintf(note, " %zu:%.2f", classes[i], ratio[i]);
	}
	return bench_median(ratio, COUNT(ratio));
}

/* Sizes of one class of the table; the worst size counts. */
static double by_size(const char *what, const char *series, unsigned int order,
		      struct vfiomem_attr attr, size_t misalign,
		      const size_t *sizes, unsigned int nr)
{
	double worst = 0;
	unsigned int i;
	char note[256];

	for (i = 0; i < nr; i++) {
		struct copy c = { .attr = attr, .n = sizes[i], .order = order };
		double ratio = by_class(what, &c, misalign, run_ours, run_memcpy, note);

		bench_point("ratio: time of a copy over libc's memcpy(), median class", series,
			    sizes[i], ratio);
		if (ratio > worst)
			worst = ratio;
		if (sizes[i] == 4096 || sizes[i] == 100)
			bench_note("%s, %zu bytes, by (dst - src) mod 4096:%s", what,
				   sizes[i], note);
	}
	return worst;
}

static void scalars(void)
{
	double ratio[4], worst = 0;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct copy c = {
			.attr = ram_hidden, .dst = dst_area, .src = src_area,
		};
		char name[32];

		size_hidden = 1 << i;
		c.n = size_hidden;
		snprintf(name, sizeof(name), "aligned %zu", c.n);
		ratio[i] = bench_compare(name, run_ours, &c, run_memcpy, &c).ratio;
		bench_point("ratio: time of a copy over libc's memcpy(), median class",
			    "RELAXED", c.n, ratio[i]);
		worst = ratio[i] > worst ? ratio[i] : worst;
	}
	bench_note("aligned 1, 2, 4, 8: %.2f %.2f %.2f %.2fx", ratio[0], ratio[1],
		   ratio[2], ratio[3]);
	bench_at_most("copy of aligned 1, 2, 4, 8, size variable", 1.0, worst, "x memcpy");
}

/* ------------------------------------------------------------------------ */

#define CALLS 4096

static struct { uint16_t dst, src, n; } calls[CALLS];

static void run_random(void *arg, size_t times)
{
	const struct vfiomem_attr attr = ram_hidden;
	size_t i;

	for (i = 0; times--; i = (i + 1) % CALLS)
		vfiomem_copy(attr, dst_area + calls[i].dst, attr, src_area + calls[i].src,
			     calls[i].n, VFIOMEM_RELAXED);
}

static void run_random_memcpy(void *arg, size_t times)
{
	size_t i;

	for (i = 0; times--; i = (i + 1) % CALLS) {
		memcpy(dst_area + calls[i].dst, src_area + calls[i].src, calls[i].n);
		bench_use(dst_area);
	}
}

static double random_ratio(const char *what)
{
	return bench_compare(what, run_random, NULL, run_random_memcpy, NULL).ratio;
}

static void random_sizes(void)
{
	static const char * const row[] = {
		"RELAXED, 1 to 1500 random sizes and alignments, AVX-512",
		"RELAXED, 1 to 1500 random sizes and alignments, AVX2",
	};
	unsigned int i;

	srand(1);
	for (i = 0; i < CALLS; i++) {
		calls[i].dst = rand() % 4096;
		calls[i].src = rand() % 4096;
		calls[i].n = 1 + rand() % 1500;
	}
#if defined(__x86_64__)
	unsigned int isa = x86_isa();

	if (isa & X86_AVX512)
		bench_at_most(row[0], 1.25, random_ratio("random avx512"), "x memcpy");
	else
		bench_skip(row[0], "this CPU has no AVX-512");
	vfiomem_x86_isa = isa & ~X86_AVX512;
	if (isa & X86_AVX2)
		bench_at_most(row[1], 2.5, random_ratio("random avx2"), "x memcpy");
	else
		bench_skip(row[1], "this CPU has no AVX2");
	vfiomem_x86_isa = isa;
#else
	bench_skip(row[0], "not an x86");
	bench_skip(row[1], "not an x86");
#endif
}

/* Writes in order: what the scratch is for. */
static void overlaps(void)
{
	static const size_t sizes[] = { 1000, 4096, 65536 }, distance[] = { 1, 8, 100, 1000 };
	double worst = 0;
	unsigned int i, j;

	for (i = 0; i < COUNT(sizes); i++) {
		double ratio[COUNT(distance)], middle;

		for (j = 0; j < COUNT(distance); j++) {
			struct copy c = {
				.attr = ram_hidden, .n = sizes[i],
				.order = VFIOMEM_ASCENDING_WRITE,
				.src = dst_area, .dst = dst_area + distance[j],
			};
			char name[64];

			/* Up to 2048 bytes the library's own scratch will do. */
			snprintf(name, sizeof(name), "overlap %zu by %zu", c.n, distance[j]);
			ratio[j] = bench_compare(name, run_move, &c, run_memmove, &c).ratio;
		}
		bench_note("overlap, %zu bytes, dst - src 1, 8, 100, 1000: %.2f %.2f %.2f %.2fx",
			   sizes[i], ratio[0], ratio[1], ratio[2], ratio[3]);
		middle = bench_median(ratio, COUNT(ratio));
		worst = middle > worst ? middle : worst;
	}
	bench_at_most("overlap with ASCENDING", 2.5, worst, "x memmove");
}

static void step_loops(void)
{
	static const size_t sizes[] = { 100, 256, 1024, 4096, 65536, MIB };
	double least = 1e9;
	struct copy c = { .attr = ram_hidden };
	unsigned int i;

	for (i = 0; i < COUNT(sizes); i++) {
		double ratio;
		char name[64];

		c.n = sizes[i];
		c.dst = dst_area + 2048;
		c.src = src_area;
		snprintf(name, sizeof(name), "step loop %zu", c.n);
		ratio = bench_compare(name, run_step, &c, run_ours, &c).ratio;
		bench_point("step-loop: how often RELAXED is faster than a step loop",
			    "aligned", c.n, ratio);
		least = ratio < least ? ratio : least;
	}
	bench_at_least("step loop, 100 bytes to 1 MiB: how much faster", 10, least,
		       "x our time");
	for (i = 0; i < COUNT(sizes); i++) {
		double ratio;
		char name[64];

		c.n = sizes[i];
		c.dst = dst_area + 2049;
		c.src = src_area;
		snprintf(name, sizeof(name), "step loop misaligned %zu", c.n);
		ratio = bench_compare(name, run_step, &c, run_ours, &c).ratio;
		bench_point("step-loop: how often RELAXED is faster than a step loop",
			    "misaligned", c.n, ratio);
		if (c.n == 4096)
			bench_at_least("step loop, misaligned, 4 KiB: how much faster", 80,
				       ratio, "x our time");
		else
			bench_note("step loop, misaligned, %zu bytes: %.0fx", c.n, ratio);
	}
}

static struct vfiomem_area areas[16];
static struct vfiomem_region region = { .areas = areas };

static void run_lookup(void *arg, size_t times)
{
	const struct vfiomem_region *r = *(struct vfiomem_region **)arg;
	uint64_t offset = 0;

	while (times--) {
		struct vfiomem_attr attr = vfiomem_region_attr(r, offset);

		/* The next offset waits for this answer. */
		offset = (offset + 0x12345 + attr.mode) & (16 * MIB - 1);
		bench_use((void *)offset);
	}
}

static void lookups(void)
{
	struct vfiomem_region *r = &region;
	unsigned int i;

	for (i = 0; i < COUNT(areas); i++)
		areas[i] = (struct vfiomem_area){ i * MIB, MIB, VFIOMEM_ATTR_RAM };
	region.nr_areas = 1;
	areas[0].size = 16 * MIB;
	areas[2].size = MIB;
	bench_note("attribute lookup, 1 area: %.2f ns", bench_time("lookup 1", run_lookup, &r));
	areas[0].size = MIB;
	region.nr_areas = COUNT(areas);
	bench_note("attribute lookup, 16 areas: %.2f ns",
		   bench_time("lookup 16", run_lookup, &r));
	region.nr_areas = 3;
	areas[2].size = 14 * MIB;
	bench_at_most("attribute lookup, 3 areas", 3, bench_time("lookup 3", run_lookup, &r),
		      "ns");
}

static uint8_t *area(size_t size)
{
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	memset(p, 0x5a, size);
	return p;
}

static void everything(void)
{
	static const size_t small[] = { 9, 16, 24, 33, 64, 100, 128, 200, 256 };
	static const size_t large[] = { 1000, 1500, 4096, 16384, 65536, MIB };
	static const size_t ascending[] = { 1000, 1500, 4096, 16384, 65536 };
	static const size_t mib[] = { MIB }, k4[] = { 4096 }, k64[] = { 65536 };
	const struct vfiomem_attr ram = ram_hidden;
	/* Aligned accesses only, as wide as the CPU has them. */
	const struct vfiomem_attr strict = VFIOMEM_ATTR(VFIOMEM_NORMAL, 0, VFIOMEM_VECTOR);

	singles();
	scalars();
	bench_at_most("RELAXED, 9 to 256 bytes steady", 1.25,
		      by_size("RELAXED", "RELAXED", VFIOMEM_RELAXED, ram, 0,
			      small, COUNT(small)), "x memcpy");
	bench_at_most("PUBLISH, 9 to 256 bytes steady", 1.25,
		      by_size("PUBLISH", "PUBLISH", VFIOMEM_PUBLISH, ram, 0,
			      small, COUNT(small)), "x memcpy");
	random_sizes();
	bench_at_most("RELAXED, 1000 bytes to 1 MiB", 1.05,
		      by_size("RELAXED", "RELAXED", VFIOMEM_RELAXED, ram, 0,
			      large, COUNT(large)), "x memcpy");
	bench_at_most("PUBLISH, 1000 bytes to 1 MiB", 1.05,
		      by_size("PUBLISH", "PUBLISH", VFIOMEM_PUBLISH, ram, 0,
			      large, COUNT(large)), "x memcpy");
	bench_at_most("ASCENDING, 1000 bytes to 64 KiB", 1.9,
		      by_size("ASCENDING", "ASCENDING", VFIOMEM_ASCENDING_WRITE, ram, 0,
			      ascending, COUNT(ascending)), "x memcpy");
	bench_at_most("ASCENDING, 1 MiB", 1.2,
		      by_size("ASCENDING", "ASCENDING", VFIOMEM_ASCENDING_WRITE, ram, 0,
			      mib, 1), "x memcpy");
	by_size("ASCENDING on both sides", "ASCENDING, both sides", VFIOMEM_ASCENDING, ram, 0,
		ascending, bench_quick() ? 0 : COUNT(ascending));
	bench_at_most("both sides strict, mutually misaligned, 4 KiB", 1.8,
		      by_size("strict", "both sides strict", VFIOMEM_RELAXED, strict, 3, k4, 1),
		      "x memcpy");
	bench_at_most("both sides strict, mutually misaligned, 64 KiB", 1.05,
		      by_size("strict", "both sides strict", VFIOMEM_RELAXED, strict, 3, k64, 1),
		      "x memcpy");
	step_loops();
	overlaps();
	lookups();
}

int main(int argc, char **argv)
{
	bench_init("copy", argc, argv);
	src_area = area(MIB + 65536);
	dst_area = area(MIB + 65536);
	while (bench_again())
		everything();
	return bench_done();
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The modes in effect: what the page tables hold, read back by ptewalk, is what
 * the driver reports; for entries of every size, after everything that user
 * space does to a mapping, and in the kernel's own mappings.  And what the
 * access bits allow can be done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

#define PTE_SIZE	KIB(4)
#define PMD_SIZE	MIB(2)
#define PUD_SIZE	GIB(1)

FIXTURE(mode)
{
	struct vfio_device device;
	struct area areas[MAX_AREAS];
	unsigned int nr_areas;
};

FIXTURE_SETUP(mode)
{
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&self->device, gpu_bdf());
	self->nr_areas = all_areas(self->device.fd, self->areas);
	ASSERT_LE(2, self->nr_areas);
}

FIXTURE_TEARDOWN(mode)
{
	vfio_close(&self->device);
}

/* The largest entry that fits around @p in a mapping [@start, @start + @size). */
static uint64_t largest_entry(const volatile char *p,
			      const volatile char *start, uint64_t size,
			      uint64_t phys)
{
	static const uint64_t sizes[] = {
#ifdef __x86_64__
		PUD_SIZE,	/* arm64 has none for pfn mappings */
#endif
		PMD_SIZE,
	};
	uintptr_t at = (uintptr_t)p, from = (uintptr_t)start, first;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		first = at / sizes[i] * sizes[i];
		if (at % sizes[i] == phys % sizes[i] && first >= from &&
		    first + sizes[i] <= from + size)
			return sizes[i];
	}
	return PTE_SIZE;
}

/* @p is byte @offset of the area: its entry is the one that it must be. */
static void check_entry(struct __test_metadata *_metadata,
			const struct area *area, const volatile char *p,
			uint64_t offset, uint64_t size)
{
	struct ptewalk w;

	walk(p, &w);
	EXPECT_EQ(area->a.mode, w.mode) {
		TH_LOG("region %u + %#llx: %s", area->region,
		       (unsigned long long)offset, w.type);
	}
	EXPECT_EQ(area->phys + offset, w.phys);
	if (size)
		EXPECT_EQ(size, w.size) {
			TH_LOG("region %u + %#llx", area->region,
			       (unsigned long long)offset);
		}
}

static uint64_t whole_pages(const struct area *area)
{
	return (area->a.size + PTE_SIZE - 1) / PTE_SIZE * PTE_SIZE;
}

/*
 * All of an area in one mapping: its first and last page and others between,
 * aligned (the largest entries) and 4 KiB off (the smallest).
 */
static void check_area(struct __test_metadata *_metadata, int fd,
		       const struct area *area, size_t skew, uint64_t seed)
{
	const uint64_t size = whole_pages(area);
	volatile char *p;
	uint64_t at;
	unsigned int k;

	p = map_area(fd, area, 0, size, skew);
	for (k = 0; k < 66; k++) {
		at = random64(&seed) % (size / PTE_SIZE) * PTE_SIZE;
		if (k == 64)
			at = 0;
		if (k == 65)
			at = size - PTE_SIZE;
		check_entry(_metadata, area, p + at, at,
			    largest_entry(p + at, p, size, area->phys + at));
	}
	munmap((void *)p, size);
}

TEST_F(mode, reported_is_walked)
{
	unsigned int i;

	for (i = 0; i < self->nr_areas; i++) {
		check_area(_metadata, self->device.fd, &self->areas[i], 0, i);
		check_area(_metadata, self->device.fd, &self->areas[i],
			   PTE_SIZE, i);
	}
}

/* Each size of entry is there at all, or the test above compares nothing. */
TEST_F(mode, every_entry_size_occurs)
{
	uint64_t largest = 0;
	struct ptewalk w;
	unsigned int i;
	void *p;

	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];

		p = map_area(self->device.fd, a, 0, whole_pages(a), 0);
		walk(p, &w);
		if (w.size > largest)
			largest = w.size;
		munmap(p, whole_pages(a));
	}
#ifdef __x86_64__
	EXPECT_EQ(PUD_SIZE, largest);
#else
	EXPECT_EQ(PMD_SIZE, largest);
#endif
}

TEST_F(mode, all_three_modes_occur)
{
	unsigned int i, seen = 0;

	for (i = 0; i < self->nr_areas; i++)
		seen |= 1 << self->areas[i].a.mode;
	EXPECT_EQ(1 << VFIO_MMAP_CACHE_MODE_NONCACHED |
		  1 << VFIO_MMAP_CACHE_MODE_WRITECOMBINE |
		  1 << VFIO_MMAP_CACHE_MODE_NORMAL, seen);
}

/*
 * mprotect(), fork(), munmap() of a part, a move and a second mapping change
 * nothing about the mode: neither of the entries that stay, nor of those that
 * are made anew.
 */
TEST_F(mode, is_kept)
{
	const uint64_t size = 4 * PMD_SIZE;
	unsigned int i;

	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];
		volatile char *p, *second, *moved;
		uint64_t at;
		int status;
		pid_t pid;

		ASSERT_LE(size, a->a.size);
		p = map_area(self->device.fd, a, 0, size, 0);
		for (at = 0; at < size; at += PMD_SIZE)
			check_entry(_metadata, a, p + at, at, PMD_SIZE);

		/* Of a part: the huge entry goes, small ones come. */
		ASSERT_EQ(0, mprotect((void *)(p + 5 * PTE_SIZE), PTE_SIZE,
				      PROT_READ));
		for (at = 0; at < 12 * PTE_SIZE; at += PTE_SIZE)
			check_entry(_metadata, a, p + at, at, PTE_SIZE);
		/* Of all, read-only and back: in place on every entry. */
		ASSERT_EQ(0, mprotect((void *)p, size, PROT_READ));
		for (at = 0; at < size; at += PMD_SIZE / 4)
			check_entry(_metadata, a, p + at, at, 0);
		ASSERT_EQ(0, mprotect((void *)p, size, PROT_NONE));
		ASSERT_EQ(0, mprotect((void *)p, size,
				      PROT_READ | PROT_WRITE));
		for (at = 0; at < size; at += PMD_SIZE / 4)
			check_entry(_metadata, a, p + at, at, 0);

		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			for (at = 0; at < size; at += PMD_SIZE / 4)
				check_entry(_metadata, a, p + at, at, 0);
			_exit(_metadata->exit_code);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);

		second = map_area(self->device.fd, a, PTE_SIZE, PMD_SIZE, 0);
		for (at = 0; at < PMD_SIZE; at += PMD_SIZE / 8)
			check_entry(_metadata, a, second + at, PTE_SIZE + at,
				    PTE_SIZE);
		munmap((void *)second, PMD_SIZE);

		ASSERT_EQ(0, munmap((void *)(p + PMD_SIZE + PTE_SIZE),
				    PTE_SIZE));
		for (at = 0; at < size; at += PMD_SIZE / 4)
			check_entry(_metadata, a, p + at, at, 0);

		moved = mremap((void *)(p + 2 * PMD_SIZE), PMD_SIZE, PMD_SIZE,
			       MREMAP_MAYMOVE | MREMAP_FIXED,
			       (char *)p + GIB(1) + 7 * PTE_SIZE);
		ASSERT_NE(MAP_FAILED, moved);
		for (at = 0; at < PMD_SIZE; at += PMD_SIZE / 8)
			check_entry(_metadata, a, moved + at,
				    2 * PMD_SIZE + at, PTE_SIZE);
		munmap((void *)moved, PMD_SIZE);
		munmap((void *)p, size);
	}
}

/* arm64's ioremap() is nGnRE where user space gets nGnRnE: both are Device. */
static bool agrees(unsigned int user, unsigned int kernel)
{
	return user == kernel || (user == VFIO_MMAP_CACHE_MODE_NONCACHED &&
				  kernel == VFIO_MMAP_CACHE_MODE_DEVICE);
}

/*
 * No mapping of these pages in the kernel has another type, once the driver
 * has read and written through its own.
 */
TEST_F(mode, kernel_s_mapping_agrees)
{
	unsigned int i, k, found;
	uint64_t offsets[3], v;

	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];
		void *p = map_area(self->device.fd, a, 0, whole_pages(a), 0);

		offsets[0] = 0;
		offsets[1] = whole_pages(a) / 2;
		offsets[2] = whole_pages(a) - PTE_SIZE;
		for (k = 0; k < ARRAY_SIZE(offsets); k++) {
			struct ptewalk w = { 0 };
			int ret;

			store64((char *)p + offsets[k], k);
			ASSERT_EQ(8, pread(self->device.fd, &v, 8, a->base +
					   a->a.offset + offsets[k]));
			EXPECT_EQ(k, v);
			for (found = 0; ; found++) {
				ret = __walk_kernel(a->phys + offsets[k], &w);
				if (ret)
					break;
				EXPECT_TRUE(agrees(a->a.mode, w.mode)) {
					TH_LOG("region %u + %#llx: the kernel has it as %s",
					       a->region,
					       (unsigned long long)offsets[k],
					       w.type);
				}
			}
			EXPECT_EQ(-ENOENT, ret);
			EXPECT_LE(1, found);
		}
		munmap(p, whole_pages(a));
	}
}

/* After reset, and in the next open, the entries are the same. */
TEST_F(mode, is_kept_over_reset_and_reopen)
{
	struct area *a;
	unsigned int i;
	char *p;

	for (i = 0; i < self->nr_areas; i++) {
		a = &self->areas[i];
		p = map_area(self->device.fd, a, 0, PMD_SIZE, 0);
		check_entry(_metadata, a, p, 0, PMD_SIZE);
		ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_RESET));
		check_entry(_metadata, a, p, 0, PMD_SIZE);
		munmap(p, PMD_SIZE);
		vfio_close(&self->device);
		vfio_open(&self->device, gpu_bdf());
		p = map_area(self->device.fd, a, 0, PMD_SIZE, 0);
		check_entry(_metadata, a, p, 0, PMD_SIZE);
		munmap(p, PMD_SIZE);
	}
}

/* Instructions that an access bit speaks of. */
static void unaligned(volatile void *p, uint64_t v)
{
	volatile char *at = (volatile char *)p + 1;

#ifdef __x86_64__
	asm volatile("movq %1, %0" : "=m" (*(volatile uint64_t *)at) : "r" (v));
	asm volatile("movq %1, %0" : "=r" (v) : "m" (*(volatile uint64_t *)at));
#else
	asm volatile("str %1, [%0]" :: "r" (at), "r" (v) : "memory");
	asm volatile("ldr %0, [%1]" : "=r" (v) : "r" (at) : "memory");
#endif
}

static void vector(volatile void *p, uint64_t v)
{
#ifdef __x86_64__
	asm volatile("movq %1, %%xmm0\n\t"
		     "movdqa %%xmm0, (%0)\n\t"
		     "movdqa (%0), %%xmm1" :: "r" (p), "r" (v)
		     : "xmm0", "xmm1", "memory");
#else
	asm volatile("dup v0.2d, %1\n\t"
		     "str q0, [%0]\n\t"
		     "ldr q1, [%0]" :: "r" (p), "r" (v)
		     : "v0", "v1", "memory");
#endif
}

static void atomic(volatile void *p, uint64_t v)
{
	__atomic_fetch_add((volatile uint64_t *)p, v, __ATOMIC_SEQ_CST);
}

static void zero_line(volatile void *p, uint64_t unused)
{
#ifdef __aarch64__
	asm volatile("dc zva, %0" :: "r" (p) : "memory");
#endif
	/* x86: CLZERO is AMD's, and no emulated CPU has it. */
}

struct kind {
	const char *name;
	uint32_t bit;
	void (*access)(volatile void *p, uint64_t v);
};

static const struct kind kinds[] = {
	{ "UNALIGNED", VFIO_MMAP_ACCESS_UNALIGNED, unaligned },
	{ "VECTOR", VFIO_MMAP_ACCESS_VECTOR, vector },
	{ "ATOMIC", VFIO_MMAP_ACCESS_ATOMIC, atomic },
	{ "ZERO_LINE", VFIO_MMAP_ACCESS_ZERO_LINE, zero_line },
};

static bool unaligned_faults(const struct vfio_mmap_cache_area *a)
{
#ifdef __aarch64__
	return a->mode == VFIO_MMAP_CACHE_MODE_NONCACHED ||
	       a->mode == VFIO_MMAP_CACHE_MODE_DEVICE;
#else
	return false;
#endif
}

/*
 * What is claimed works.  What is not claimed need not fault, and QEMU lets
 * everything through but this: on arm64 an unaligned access to Device memory.
 */
TEST_F(mode, access_bits_hold)
{
	unsigned int i, k;

	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];
		volatile char *p = map_area(self->device.fd, a, 0, PTE_SIZE *
					    16, 0);

		for (k = 0; k < ARRAY_SIZE(kinds); k++) {
			int expected = 0;

			if (!(a->a.access & kinds[k].bit)) {
				if (!unaligned_faults(&a->a) ||
				    kinds[k].access != unaligned)
					continue;
				expected = SIGBUS;
			}
			EXPECT_EQ(expected,
				  access_signal(kinds[k].access,
						p + 8 * PTE_SIZE, k + 1)) {
				TH_LOG("region %u: %s", a->region,
				       kinds[k].name);
			}
		}
		munmap((void *)p, PTE_SIZE * 16);
	}
}

/* The bytes of those accesses are right, where they are claimed. */
TEST_F(mode, claimed_accesses_do_what_they_say)
{
	unsigned int i;

	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];
		volatile char *p = map_area(self->device.fd, a, 0, PTE_SIZE *
					    16, 0);
		volatile uint64_t *at = (void *)(p + 8 * PTE_SIZE);

		at[0] = 1;
		at[1] = 2;
		if (a->a.access & VFIO_MMAP_ACCESS_UNALIGNED) {
			unaligned(at, 0x8877665544332211);
			EXPECT_EQ(0x7766554433221101, at[0]);
			EXPECT_EQ(0x88, at[1]);
		}
		at[0] = 40;
		if (a->a.access & VFIO_MMAP_ACCESS_ATOMIC) {
			atomic(at, 2);
			EXPECT_EQ(42, at[0]);
		}
		if (a->a.access & VFIO_MMAP_ACCESS_VECTOR) {
			vector(at, 0x1122334455667788);
			EXPECT_EQ(0x1122334455667788, at[0]);
		}
#ifdef __aarch64__
		if (a->a.access & VFIO_MMAP_ACCESS_ZERO_LINE) {
			at[0] = 7;
			zero_line(at, 0);
			EXPECT_EQ(0, at[0]);
		}
#endif
		munmap((void *)p, PTE_SIZE * 16);
	}
}

TEST_HARNESS_MAIN

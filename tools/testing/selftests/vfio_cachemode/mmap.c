// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap() of a region: what may be mapped, what is refused, the kind of VMA that
 * comes of it, and how many faults a large one takes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

FIXTURE(mmap)
{
	struct vfio_device device;
	struct area areas[MAX_AREAS];
	unsigned int nr_areas;
	uint64_t page;
};

FIXTURE_SETUP(mmap)
{
	self->page = sysconf(_SC_PAGESIZE);
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&self->device, gpu_bdf());
	self->nr_areas = all_areas(self->device.fd, self->areas);
	ASSERT_LE(2, self->nr_areas);
}

FIXTURE_TEARDOWN(mmap)
{
	vfio_close(&self->device);
}

/* 0 or the errno of mapping [@offset, @offset + @size) of the fd. */
static int map_error(int fd, uint64_t offset, uint64_t size, int prot,
		     int flags)
{
	void *p = mmap(NULL, size, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, size);
	return 0;
}

static int map_shared(int fd, uint64_t offset, uint64_t size)
{
	return map_error(fd, offset, size, PROT_READ | PROT_WRITE, MAP_SHARED);
}

/* Bytes of the area that whole pages cover. */
static uint64_t mappable(const struct area *area, uint64_t page)
{
	return (area->a.size + page - 1) / page * page;
}

TEST_F(mmap, whole_partial_and_any_page)
{
	uint64_t seed = 1, offset, size, pages;
	unsigned int i, k;

	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];
		uint64_t start = a->base + a->a.offset;

		pages = mappable(a, self->page) / self->page;
		EXPECT_EQ(0, map_shared(self->device.fd, start,
					pages * self->page));
		for (k = 0; k < 200; k++) {
			offset = random64(&seed) % pages;
			size = 1 + random64(&seed) % (pages - offset);
			EXPECT_EQ(0, map_shared(self->device.fd,
						start + offset * self->page,
						size * self->page));
		}
	}
}

/*
 * A mapping shows the bytes at its own offset: what is written through pwrite()
 * at any page is seen there, through mappings that begin anywhere.
 */
TEST_F(mmap, shows_the_bytes_at_its_offset)
{
	uint64_t seed = 2, value, offset, from, size;
	volatile uint64_t *p;
	struct area *a;
	unsigned int i, k;

	for (i = 0; i < self->nr_areas; i++) {
		a = &self->areas[i];
		if (!a->region)
			continue;
		for (k = 0; k < 50; k++) {
			offset = random64(&seed) % (a->a.size / 8) * 8;
			value = random64(&seed);
			from = offset / self->page * self->page;
			from -= random64(&seed) % (from / self->page + 1) *
				self->page;
			size = offset / self->page * self->page + self->page -
			       from;
			ASSERT_EQ(8, pwrite(self->device.fd, &value, 8,
					    a->base + a->a.offset + offset));
			p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
				 self->device.fd,
				 a->base + a->a.offset + from);
			ASSERT_NE(MAP_FAILED, p);
			EXPECT_EQ(value, p[(offset - from) / 8]) {
				TH_LOG("region %u offset %#llx mapped from %#llx",
				       a->region, (unsigned long long)offset,
				       (unsigned long long)from);
			}
			p[(offset - from) / 8] = ~value;
			munmap((void *)p, size);
			ASSERT_EQ(8, pread(self->device.fd, &value, 8,
					   a->base + a->a.offset + offset));
			EXPECT_EQ(value, ~value ^ ~0ULL);
		}
	}
}

TEST_F(mmap, refuses_what_is_outside)
{
	unsigned int i, next;
	uint64_t start, end;

	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];
		int fd = self->device.fd;

		start = a->base + a->a.offset;
		end = start + mappable(a, self->page);
		next = i + 1 < self->nr_areas &&
		       self->areas[i + 1].region == a->region &&
		       self->areas[i + 1].base +
		       self->areas[i + 1].a.offset == end;
		if (next) {
			/* One VMA holds one mode. */
			EXPECT_EQ(EINVAL, map_shared(fd, end - self->page,
						     2 * self->page));
			continue;
		}
		EXPECT_EQ(EINVAL, map_shared(fd, end, self->page));
		EXPECT_EQ(EINVAL, map_shared(fd, end - self->page,
					     2 * self->page));
		EXPECT_EQ(EINVAL, map_shared(fd, start, end - start +
					     self->page));
		EXPECT_EQ(EINVAL, map_shared(fd, end + GIB(64), self->page));
		/* The last page of the region's share of the fd, and over it. */
		EXPECT_EQ(EINVAL, map_shared(fd, a->base + GIB(1024) -
					     self->page, self->page));
		EXPECT_EQ(EINVAL, map_shared(fd, a->base + GIB(1024) -
					     self->page, 2 * self->page));
		EXPECT_EQ(EINVAL, map_shared(fd, end - self->page, GIB(2048)));
	}
}

TEST_F(mmap, refuses_private)
{
	unsigned int i;

	for (i = 0; i < self->nr_areas; i++)
		EXPECT_EQ(EINVAL, map_error(self->device.fd,
					    self->areas[i].base +
					    self->areas[i].a.offset,
					    self->page, PROT_READ,
					    MAP_PRIVATE));
}

/* Regions without memory, the upper halves of 64-bit BARs, and no regions. */
TEST_F(mmap, refuses_a_wrong_index)
{
	struct vfio_region_info *info;
	unsigned int index;
	uint64_t stride;

	info = region_info(self->device.fd, 1);
	stride = info->offset;
	free(info);
	ASSERT_LT(0, stride);
	for (index = 0; index < 64; index++) {
		if (index < VFIO_PCI_NUM_REGIONS) {
			info = region_info(self->device.fd, index);
			if (info && info->flags & VFIO_REGION_INFO_FLAG_MMAP) {
				free(info);
				continue;
			}
			free(info);
		}
		EXPECT_EQ(EINVAL, map_shared(self->device.fd, index * stride,
					     self->page)) {
			TH_LOG("index %u", index);
		}
	}
	/* mm refuses the last pages that an off_t can name by itself. */
	EXPECT_NE(0, map_shared(self->device.fd, ~0ULL << 13, self->page));
	EXPECT_NE(0, map_shared(self->device.fd, 1ULL << 62, self->page));
}

/* The two letters of one flag in the VmFlags line of the mapping at @p. */
static bool vm_flag(void *p, const char *flag)
{
	char line[512], wanted[40], *found = NULL;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool here = false;

	if (!f)
		fatal("no /proc/self/smaps");
	snprintf(wanted, sizeof(wanted), "%08lx-", (unsigned long)p);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, wanted, strlen(wanted)))
			here = true;
		if (here && !strncmp(line, "VmFlags:", 8)) {
			found = strstr(line, flag);
			break;
		}
	}
	fclose(f);
	if (!here)
		fatal("no mapping at %p in smaps", p);
	return found;
}

/*
 * A pfn mapping: I/O, no core dump, no growth.  A flag without letters shows as
 * "??": that is VM_ALLOW_ANY_UNCACHED, for KVM, on all but NORMAL.
 */
TEST_F(mmap, vma_flags)
{
	static const char * const wanted[] = {
		" rd", " wr", " sh", " io", " pf", " de", " dd",
	};
	unsigned int i, k;
	void *p;

	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];

		p = map_area(self->device.fd, a, 0, self->page, 0);
		for (k = 0; k < ARRAY_SIZE(wanted); k++)
			EXPECT_TRUE(vm_flag(p, wanted[k])) {
				TH_LOG("region %u has no%s", a->region,
				       wanted[k]);
			}
		EXPECT_EQ(a->a.mode != VFIO_MMAP_CACHE_MODE_NORMAL,
			  vm_flag(p, " ??")) {
			TH_LOG("region %u", a->region);
		}
		munmap(p, self->page);
	}
}

TEST_F(mmap, protection_is_kept)
{
	struct area *a = &self->areas[self->nr_areas - 1];
	volatile uint64_t *p;

	p = mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->device.fd,
		 a->base + a->a.offset);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, access_signal(load64, p, 0));
	EXPECT_EQ(SIGSEGV, access_signal(store64, p, 0));
	ASSERT_EQ(0, mprotect((void *)p, self->page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, access_signal(store64, p, 1));
	ASSERT_EQ(0, mprotect((void *)p, self->page, PROT_NONE));
	EXPECT_EQ(SIGSEGV, access_signal(load64, p, 0));
	munmap((void *)p, self->page);
}

/* Pieces that munmap(), mprotect() and mremap() leave still show their bytes. */
TEST_F(mmap, pieces_keep_their_bytes)
{
	const unsigned int pages = 2048;	/* 8 MiB: over huge entries */
	struct area *a = NULL;
	volatile uint64_t *p, *moved;
	const uint64_t step = self->page / 8;
	unsigned int i;

	for (i = 0; i < self->nr_areas; i++) {
		a = &self->areas[i];
		if (!a->region || a->a.size < pages * self->page)
			continue;
		p = map_area(self->device.fd, a, 0,
			     pages * self->page, 0);
		for (i = 0; i < pages; i++)
			p[i * step] = i + 1;

		ASSERT_EQ(0, munmap((void *)(p + 700 * step), self->page));
		ASSERT_EQ(0, mprotect((void *)(p + 100 * step),
				      3 * self->page, PROT_READ));
		for (i = 0; i < pages; i++)
			if (i != 700)
				EXPECT_EQ(i + 1, p[i * step]);
		EXPECT_EQ(SIGSEGV, access_signal(load64, p + 700 * step, 0));
		EXPECT_EQ(SIGSEGV, access_signal(store64, p + 101 * step, 0));

		/* To grow is refused, to move is not. */
		EXPECT_EQ(MAP_FAILED,
			  mremap((void *)(p + 701 * step),
				 (pages - 701) * self->page,
				 pages * self->page, MREMAP_MAYMOVE));
		moved = mremap((void *)(p + 1024 * step), 1024 * self->page,
			       1024 * self->page,
			       MREMAP_MAYMOVE | MREMAP_FIXED,
			       (char *)p + GIB(1) + 3 * self->page);
		ASSERT_NE(MAP_FAILED, moved);
		for (i = 0; i < 1024; i++)
			EXPECT_EQ(1024 + i + 1, moved[i * step]);
		munmap((void *)moved, 1024 * self->page);
		munmap((void *)p, 1024 * self->page);
	}
}

TEST_F(mmap, survives_fork_and_madvise)
{
	struct area *a = &self->areas[self->nr_areas - 1];
	volatile uint64_t *p;
	int status;
	pid_t pid;

	p = map_area(self->device.fd, a, 0, self->page, 0);
	*p = 42;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(*p == 42 && (*p = 43) == 43 ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(43, *p);

	/* Nothing of it may be dropped or dumped behind the driver's back. */
	EXPECT_EQ(-1, madvise((void *)p, self->page, MADV_DODUMP));
	EXPECT_EQ(-1, madvise((void *)p, self->page, MADV_DONTNEED));
	EXPECT_EQ(43, *p);
	EXPECT_EQ(0, madvise((void *)p, self->page, MADV_DONTFORK));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(access_signal(load64, p, 0) == SIGSEGV ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	munmap((void *)p, self->page);
}

/* The mapping holds the device open: closing the fds does not end it. */
TEST_F(mmap, outlives_the_fd)
{
	struct area *a = &self->areas[self->nr_areas - 1];
	volatile uint64_t *p;

	p = map_area(self->device.fd, a, 0, self->page, 0);
	*p = 7;
	vfio_close(&self->device);
	EXPECT_EQ(0, access_signal(load64, p, 0));
	EXPECT_EQ(7, *p);
	munmap((void *)p, self->page);
	vfio_open(&self->device, gpu_bdf());
}

static long minor_faults(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		fatal("getrusage");
	return usage.ru_minflt;
}

/*
 * Every page of 1 GiB, through a mapping that is aligned as the memory is:
 * 2 MiB entries take 512 faults, a PUD of x86 takes 1.
 */
TEST_F(mmap, one_gib_takes_few_faults)
{
	unsigned int i, measured = 0;
	uint64_t offset, at;
	volatile char *p;
	long faults, most;

	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];

		if (a->a.size < GIB(1))
			continue;
		/* Where the memory has a whole aligned GiB, take that. */
		offset = -a->phys % GIB(1);
		most = 1;
#ifndef __x86_64__
		most = 512;
#endif
		if (offset + GIB(1) > a->a.size) {
			offset = -a->phys % MIB(2);
			most = 512;
		}
		ASSERT_LE(offset + GIB(1), a->a.size);
		p = map_area(self->device.fd, a, offset, GIB(1), 0);
		faults = minor_faults();
		for (at = 0; at < GIB(1); at += self->page)
			(void)p[at];
		faults = minor_faults() - faults;
		TH_LOG("region %u: %ld faults for 1 GiB", a->region, faults);
		EXPECT_LE(faults, most);
		EXPECT_LE(1, faults);
		munmap((void *)p, GIB(1));
		measured++;
	}
	if (!measured)
		SKIP(return, "no area of 1 GiB: give the machine more memory");
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE: every field of every region, and the
 * rules for a caller whose argsz is short.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

#define KNOWN_ACCESS	(VFIO_MMAP_ACCESS_ZERO_LINE * 2 - 1)

FIXTURE(capability)
{
	struct vfio_device device;
	unsigned int num_regions;
};

FIXTURE_SETUP(capability)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&self->device, gpu_bdf());
	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_GET_INFO, &info));
	self->num_regions = info.num_regions;
	ASSERT_LE(VFIO_PCI_NUM_REGIONS, self->num_regions);
}

FIXTURE_TEARDOWN(capability)
{
	vfio_close(&self->device);
}

/* The whole of the fd's answers about one region, to compare two of them. */
static bool same_info(const struct vfio_region_info *a,
		      const struct vfio_region_info *b)
{
	if (!a || !b)
		return a == b;
	return a->argsz == b->argsz && !memcmp(a, b, a->argsz);
}

TEST_F(capability, is_where_mmap_is)
{
	struct vfio_region_info *info;
	unsigned int index, with = 0;
	bool mappable_bar;

	for (index = 0; index < self->num_regions; index++) {
		info = region_info(self->device.fd, index);
		if (!info)
			continue;
		mappable_bar = index < VFIO_PCI_ROM_REGION_INDEX &&
			       info->flags & VFIO_REGION_INFO_FLAG_MMAP;
		EXPECT_EQ(mappable_bar, !!mode_cap(info)) {
			TH_LOG("region %u, flags %#x", index, info->flags);
		}
		with += !!mode_cap(info);
		free(info);
	}
	/* The registers and the memory. */
	EXPECT_LE(2, with);
}

TEST_F(capability, every_field_is_valid)
{
	const struct vfio_region_info_cap_mmap_cache_mode *cap;
	const struct vfio_mmap_cache_area *a;
	const uint64_t page = sysconf(_SC_PAGESIZE);
	struct vfio_region_info *info;
	unsigned int index, i;
	uint64_t end;

	for (index = 0; index < VFIO_PCI_ROM_REGION_INDEX; index++) {
		info = region_info(self->device.fd, index);
		cap = mode_cap(info);
		if (!cap) {
			free(info);
			continue;
		}
		EXPECT_EQ(VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE_VERSION,
			  cap->header.version);
		ASSERT_LE(1, cap->nr_areas);
		ASSERT_LE(sizeof(*a), cap->area_size);
		ASSERT_EQ(0, cap->area_size % 8);
		for (i = 0, end = 0; i < cap->nr_areas; i++) {
			a = mode_area(cap, i);
			EXPECT_LE(end, a->offset);
			EXPECT_EQ(0, a->offset % page);
			EXPECT_LT(0, a->size);
			EXPECT_LE(a->size, info->size);
			EXPECT_LE(a->offset, info->size - a->size);
			end = a->offset + a->size;
			if (i < cap->nr_areas - 1 || end != info->size)
				EXPECT_EQ(0, a->size % page);
			EXPECT_LE(a->mode, VFIO_MMAP_CACHE_MODE_NORMAL);
			EXPECT_EQ(0, a->access & ~KNOWN_ACCESS);
			EXPECT_EQ(0, a->max_width & (a->max_width - 1));
			EXPECT_EQ(0, a->reserved);
		}
		free(info);
	}
}

TEST_F(capability, sparse_areas_equal_mode_areas)
{
	const struct vfio_region_info_cap_mmap_cache_mode *cap;
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	const struct vfio_mmap_cache_area *a;
	struct vfio_region_info *info;
	unsigned int index, i;

	for (index = 0; index < VFIO_PCI_ROM_REGION_INDEX; index++) {
		info = region_info(self->device.fd, index);
		cap = mode_cap(info);
		sparse = (const void *)region_cap(info,
					VFIO_REGION_INFO_CAP_SPARSE_MMAP);
		if (!cap) {
			EXPECT_EQ(NULL, sparse);
			free(info);
			continue;
		}
		a = mode_area(cap, 0);
		if (cap->nr_areas > 1 || a->offset || a->size < info->size)
			ASSERT_NE(NULL, sparse);
		if (sparse) {
			EXPECT_EQ(1, sparse->header.version);
			EXPECT_EQ(0, sparse->reserved);
			ASSERT_EQ(cap->nr_areas, sparse->nr_areas);
			for (i = 0; i < cap->nr_areas; i++) {
				a = mode_area(cap, i);
				EXPECT_EQ(a->offset, sparse->areas[i].offset);
				EXPECT_EQ(a->size, sparse->areas[i].size);
			}
		}
		free(info);
	}
}

static bool can_map(int fd, uint64_t offset, uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, offset);

	if (p == MAP_FAILED)
		return false;
	munmap(p, size);
	return true;
}

/* The areas cover what can be mapped: all of it, and nothing else. */
TEST_F(capability, areas_cover_what_maps)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	struct area areas[MAX_AREAS], *a;
	unsigned int i, n;
	uint64_t end;

	n = all_areas(self->device.fd, areas);
	ASSERT_LT(0, n);
	for (i = 0; i < n; i++) {
		a = &areas[i];
		end = a->a.offset + (a->a.size + page - 1) / page * page;
		EXPECT_TRUE(can_map(self->device.fd, a->base + a->a.offset,
				    page));
		EXPECT_TRUE(can_map(self->device.fd, a->base + end - page,
				    page));
		EXPECT_TRUE(can_map(self->device.fd, a->base + a->a.offset,
				    a->a.size));
		if (i + 1 < n && areas[i + 1].region == a->region &&
		    areas[i + 1].a.offset == end)
			continue;
		EXPECT_FALSE(can_map(self->device.fd, a->base + end, page)) {
			TH_LOG("region %u maps behind its area at %#llx",
			       a->region, (unsigned long long)end);
		}
		if (a->region_size > end)
			EXPECT_FALSE(can_map(self->device.fd,
					     a->base + a->region_size - page,
					     page));
	}
}

/*
 * The modes that design and hardware give on the runner's GPU: registers are
 * not cached, memory that firmware declares is.
 */
TEST_F(capability, modes_are_the_family_s)
{
	const char *declared = getenv("GPU_SIZE");	/* by qemu/vm */
	struct area areas[MAX_AREAS], *a;
	uint64_t memory = 0, usable = 0;
	unsigned int i, n;

	n = all_areas(self->device.fd, areas);
	for (i = 0; i < n; i++) {
		a = &areas[i];
		switch (a->region) {
		case VFIO_PCI_BAR0_REGION_INDEX:
			EXPECT_EQ(VFIO_MMAP_CACHE_MODE_NONCACHED, a->a.mode);
			break;
		case VFIO_PCI_BAR2_REGION_INDEX:
			EXPECT_EQ(VFIO_MMAP_CACHE_MODE_WRITECOMBINE, a->a.mode);
			memory += a->a.size;
			break;
		case VFIO_PCI_BAR4_REGION_INDEX:
			EXPECT_EQ(VFIO_MMAP_CACHE_MODE_NORMAL, a->a.mode);
			memory += a->a.size;
			usable = a->a.size;
			break;
		default:
			TH_LOG("region %u is unexpected", a->region);
			EXPECT_TRUE(false);
		}
		if (a->region) {
			EXPECT_EQ(0, a->a.offset);
			EXPECT_LE(a->a.size, a->region_size);
			EXPECT_LT(a->region_size / 2, a->a.size);
			EXPECT_EQ(0, a->region_size & (a->region_size - 1));
		}
	}
	/* All of it is shown; the usable part is whole memory blocks. */
	EXPECT_LT(0, usable);
	EXPECT_EQ(0, usable % MIB(512));
	if (declared)
		EXPECT_EQ(strtoull(declared, NULL, 0), memory);
	EXPECT_LE(GIB(1), memory - usable);
	EXPECT_GT(GIB(1) + MIB(512), memory - usable);
}

/* What the access bits must say by mode, CPU and prefetchability. */
TEST_F(capability, access_follows_cpu_and_mode)
{
	struct area areas[MAX_AREAS], *a;
	unsigned int i, n;
	uint32_t must, must_not;

	n = all_areas(self->device.fd, areas);
	ASSERT_LT(0, n);
	for (i = 0; i < n; i++) {
		a = &areas[i];
		must = 0;
		must_not = 0;
		switch (a->a.mode) {
		case VFIO_MMAP_CACHE_MODE_NORMAL:
			must = KNOWN_ACCESS;
			break;
		case VFIO_MMAP_CACHE_MODE_WRITECOMBINE:
			must = VFIO_MMAP_ACCESS_UNALIGNED |
			       VFIO_MMAP_ACCESS_VECTOR;
			must_not = VFIO_MMAP_ACCESS_ATOMIC |
				   VFIO_MMAP_ACCESS_COHERENT;
			break;
		default:
			must_not = VFIO_MMAP_ACCESS_ATOMIC |
				   VFIO_MMAP_ACCESS_COHERENT;
#ifdef __aarch64__
			must_not |= VFIO_MMAP_ACCESS_UNALIGNED |
				    VFIO_MMAP_ACCESS_ZERO_LINE;
#else
			must = VFIO_MMAP_ACCESS_UNALIGNED;
#endif
		}
		/* Memory behind firmware properties bears it all. */
		if (a->region || bar_prefetchable(gpu_bdf(), 0))
			must |= VFIO_MMAP_ACCESS_READ_IDEMPOTENT |
				VFIO_MMAP_ACCESS_WRITE_MERGE;
		else
			must_not |= VFIO_MMAP_ACCESS_READ_IDEMPOTENT |
				    VFIO_MMAP_ACCESS_WRITE_MERGE;
		EXPECT_EQ(must, a->a.access & must) {
			TH_LOG("region %u mode %u", a->region, a->a.mode);
		}
		EXPECT_EQ(0, a->a.access & must_not) {
			TH_LOG("region %u mode %u", a->region, a->a.mode);
		}
	}
}

/*
 * Each argsz: too short for the header is -EINVAL; too short for the chain
 * gives the size needed and touches nothing behind the header; enough gives
 * the chain, and nothing behind it.
 */
TEST_F(capability, short_argsz_gives_no_partial_chain)
{
	struct vfio_region_info *whole, *info;
	unsigned int index, i, fill = 0xa5;
	unsigned char *bytes;
	uint32_t argsz, room, touched;

	for (index = 0; index < VFIO_PCI_ROM_REGION_INDEX; index++) {
		whole = region_info(self->device.fd, index);
		room = whole->argsz + 64;
		info = malloc(room);
		bytes = (void *)info;
		for (argsz = 0; argsz <= whole->argsz + 8; argsz++) {
			memset(info, fill, room);
			info->argsz = argsz;
			info->index = index;
			if (argsz < REGION_INFO_MIN) {
				EXPECT_EQ(-1, ioctl(self->device.fd,
						    VFIO_DEVICE_GET_REGION_INFO,
						    info));
				EXPECT_EQ(EINVAL, errno);
				continue;
			}
			ASSERT_EQ(0, ioctl(self->device.fd,
					   VFIO_DEVICE_GET_REGION_INFO, info));
			EXPECT_EQ(whole->flags, info->flags);
			EXPECT_EQ(whole->size, info->size);
			EXPECT_EQ(whole->offset, info->offset);
			if (argsz < whole->argsz) {
				EXPECT_EQ(whole->argsz, info->argsz);
				EXPECT_EQ(0, info->cap_offset);
				touched = REGION_INFO_MIN;
			} else {
				EXPECT_EQ(argsz, info->argsz);
				/* VFIO leaves it alone if there is no chain. */
				if (whole->flags & VFIO_REGION_INFO_FLAG_CAPS)
					EXPECT_EQ(whole->cap_offset,
						  info->cap_offset);
				EXPECT_EQ(0, memcmp(info + 1, whole + 1,
						    whole->argsz -
						    REGION_INFO_MIN));
				touched = whole->argsz;
			}
			for (i = touched; i < room && bytes[i] == fill; i++)
				;
			EXPECT_EQ(room, i) {
				TH_LOG("region %u argsz %u: byte %u touched",
				       index, argsz, i);
			}
		}
		free(info);
		free(whole);
	}
}

TEST_F(capability, bad_index_is_refused)
{
	const unsigned int bad[] = { self->num_regions, 1000, 1U << 24, ~0U };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vfio_region_info info = {
			.argsz = sizeof(info),
			.index = bad[i],
		};

		EXPECT_EQ(-1, ioctl(self->device.fd,
				    VFIO_DEVICE_GET_REGION_INFO, &info));
		EXPECT_EQ(EINVAL, errno);
	}
}

TEST_F(capability, bad_buffer_is_refused)
{
	struct vfio_region_info *whole, *info;
	const size_t page = sysconf(_SC_PAGESIZE);
	char *p;

	EXPECT_EQ(-1, ioctl(self->device.fd, VFIO_DEVICE_GET_REGION_INFO,
			    NULL));
	EXPECT_EQ(EFAULT, errno);

	/* The chain crosses into a page that is not there. */
	p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p + page, page));
	whole = region_info(self->device.fd, VFIO_PCI_BAR4_REGION_INDEX);
	ASSERT_LT(REGION_INFO_MIN, whole->argsz);
	info = (void *)(p + page - REGION_INFO_MIN);
	info->argsz = whole->argsz;
	info->index = VFIO_PCI_BAR4_REGION_INDEX;
	EXPECT_EQ(-1, ioctl(self->device.fd, VFIO_DEVICE_GET_REGION_INFO,
			    info));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(capability, is_fixed_over_reset_and_reopen)
{
	struct vfio_region_info *first[VFIO_PCI_NUM_REGIONS], *again;
	unsigned int index, round;

	for (index = 0; index < VFIO_PCI_NUM_REGIONS; index++)
		first[index] = region_info(self->device.fd, index);

	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_RESET));
	for (round = 0; round < 3; round++) {
		for (index = 0; index < VFIO_PCI_NUM_REGIONS; index++) {
			again = region_info(self->device.fd, index);
			EXPECT_TRUE(same_info(first[index], again)) {
				TH_LOG("region %u, round %u", index, round);
			}
			free(again);
		}
		vfio_close(&self->device);
		vfio_open(&self->device, gpu_bdf());
	}
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Regions of a VFIO device: what the kernel says about them, and mappings.
 *
 * The answer to VFIO_DEVICE_GET_REGION_INFO is taken for what a kernel of any
 * version, or something that poses as one, may write: nothing in it is
 * believed before it was compared with what lies around it.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>
#include <linux/vfio_cachemode.h>

#include "internal.h"

/* More than any region's capabilities need. */
#define INFO_MAX	(16U << 20)

#define ACCESS_KNOWN	(VFIOMEM_UNALIGNED | VFIOMEM_VECTOR | VFIOMEM_ATOMIC | \
			 VFIOMEM_READ_IDEMPOTENT | VFIOMEM_WRITE_MERGE |       \
			 VFIOMEM_COHERENT | VFIOMEM_ZERO_LINE)

struct region {
	struct vfiomem_region public;
	int fd;
	struct vfiomem_area areas[];
};

/* What is right for any mapping, if the kernel does not say what it is. */
static struct vfiomem_attr strictest(void)
{
#if defined(__x86_64__)
	return VFIOMEM_ATTR(VFIOMEM_UNKNOWN, 0, VFIOMEM_UNALIGNED);
#else
	return VFIOMEM_ATTR(VFIOMEM_UNKNOWN, 0, 0);
#endif
}

static struct vfiomem_attr area_attr(const struct vfio_mmap_cache_area *area)
{
	const unsigned int widest = 1U << 15;
	unsigned int width = area->max_width;

	if (width > widest)
		width = widest;
	if (area->mode > VFIO_MMAP_CACHE_MODE_NORMAL)
		return VFIOMEM_ATTR(VFIOMEM_UNKNOWN, (uint16_t)width, 0);
	return VFIOMEM_ATTR((uint8_t)area->mode, (uint16_t)width,
			    area->access & ACCESS_KNOWN);
}

/* The capabilities that are of use, as offsets into the answer; 0: absent. */
struct capabilities {
	size_t cache_mode;
	size_t sparse;
};

/*
 * Walk the chain.  Each hop takes at least the size of a header from what a
 * chain without a loop can have.
 */
static int find_capabilities(const char *info, size_t size, size_t offset,
			     struct capabilities *found)
{
	struct vfio_info_cap_header header;
	size_t hops = size / sizeof(header);

	*found = (struct capabilities){ 0 };
	for (; offset; offset = header.next) {
		if (!hops-- || offset < sizeof(struct vfio_region_info) ||
		    offset > size || size - offset < sizeof(header))
			return -EPROTO;
		memcpy(&header, info + offset, sizeof(header));
		if (header.version != 1)
			continue;
		if (header.id == VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE &&
		    !found->cache_mode)
			found->cache_mode = offset;
		else if (header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP &&
			 !found->sparse)
			found->sparse = offset;
	}
	return 0;
}

static struct region *alloc_region(size_t nr_areas)
{
	struct region *region;

	return calloc(1, sizeof(*region) + nr_areas * sizeof(region->areas[0]));
}

/* Whether @nr entries of @stride bytes fit behind @offset. */
static bool fits(size_t size, size_t offset, size_t nr, size_t stride)
{
	return offset <= size && nr <= (size - offset) / stride;
}

static int areas_from_cache_mode(const char *info, size_t size, size_t offset,
				 uint64_t region_size, struct region **made)
{
	struct vfio_region_info_cap_mmap_cache_mode cap;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct vfio_mmap_cache_area area;
	struct region *region;
	uint64_t end = 0;
	uint32_t i;

	if (!fits(size, offset, 1, sizeof(cap)))
		return -EPROTO;
	memcpy(&cap, info + offset, sizeof(cap));
	offset += sizeof(cap);
	if (cap.area_size < sizeof(area) || cap.area_size % 8 ||
	    !fits(size, offset, cap.nr_areas, cap.area_size))
		return -EPROTO;
	region = alloc_region(cap.nr_areas);
	if (!region)
		return -ENOMEM;
	for (i = 0; i < cap.nr_areas; i++) {
		memcpy(&area, info + offset + (size_t)i * cap.area_size,
		       sizeof(area));
		/* Sorted, not overlapping, whole pages, within the region. */
		if (area.offset < end || area.offset % page || !area.size ||
		    area.offset > region_size ||
		    area.size > region_size - area.offset)
			goto malformed;
		end = area.offset + area.size;
		if (end % page && end != region_size)
			goto malformed;
		region->areas[i].offset = area.offset;
		region->areas[i].size = area.size;
		region->areas[i].attr = area_attr(&area);
	}
	region->public.nr_areas = cap.nr_areas;
	region->public.reported = 1;
	*made = region;
	return 0;

malformed:
	free(region);
	return -EPROTO;
}

static int by_offset(const void *a, const void *b)
{
	const struct vfiomem_area *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/*
 * Drivers list sparse areas in any order, and empty ones.  What is not whole
 * pages cannot be mapped and is left out, but for the region's own end.
 */
static int areas_from_sparse(const char *info, size_t size, size_t offset,
			     uint64_t region_size, struct region **made)
{
	struct vfio_region_info_cap_sparse_mmap cap;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct vfio_region_sparse_mmap_area area;
	struct region *region;
	uint32_t i, nr = 0;

	if (!fits(size, offset, 1, sizeof(cap)))
		return -EPROTO;
	memcpy(&cap, info + offset, sizeof(cap));
	offset += sizeof(cap);
	if (!fits(size, offset, cap.nr_areas, sizeof(area)))
		return -EPROTO;
	region = alloc_region(cap.nr_areas);
	if (!region)
		return -ENOMEM;
	for (i = 0; i < cap.nr_areas; i++) {
		uint64_t before, after;

		memcpy(&area, info + offset + i * sizeof(area), sizeof(area));
		if (area.offset > region_size ||
		    area.size > region_size - area.offset)
			goto malformed;
		before = -area.offset & (page - 1);
		after = area.offset + area.size;
		after = after == region_size ? 0 : after & (page - 1);
		if (area.size <= before + after)
			continue;
		region->areas[nr].offset = area.offset + before;
		region->areas[nr].size = area.size - before - after;
		region->areas[nr++].attr = strictest();
	}
	qsort(region->areas, nr, sizeof(region->areas[0]), by_offset);
	for (i = 1; i < nr; i++)
		if (region->areas[i].offset - region->areas[i - 1].offset <
		    region->areas[i - 1].size)
			goto malformed;
	region->public.nr_areas = nr;
	*made = region;
	return 0;

malformed:
	free(region);
	return -EPROTO;
}

static int area_of_all(uint64_t region_size, struct region **made)
{
	struct region *region = alloc_region(1);

	if (!region)
		return -ENOMEM;
	region->areas[0].size = region_size;
	region->areas[0].attr = strictest();
	region->public.nr_areas = region_size ? 1 : 0;
	*made = region;
	return 0;
}

int vfiomem_region_parse(const void *answer, size_t size, int fd,
			 struct vfiomem_region **parsed)
{
	struct capabilities found = { 0 };
	struct vfio_region_info info;
	struct region *region;
	int err = 0;

	if (size < sizeof(info))
		return -EPROTO;
	memcpy(&info, answer, sizeof(info));
	if (info.flags & VFIO_REGION_INFO_FLAG_CAPS)
		err = find_capabilities(answer, size, info.cap_offset, &found);
	if (err)
		return err;

	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
		err = area_of_all(0, &region);
	else if (found.cache_mode)
		err = areas_from_cache_mode(answer, size, found.cache_mode,
					    info.size, &region);
	else if (found.sparse)
		err = areas_from_sparse(answer, size, found.sparse, info.size,
					&region);
	else
		err = area_of_all(info.size, &region);
	if (err)
		return err;

	region->fd = fd;
	region->public.areas = region->areas;
	region->public.index = info.index;
	region->public.size = info.size;
	region->public.fd_offset = info.offset;
	region->public.flags = info.flags;
	*parsed = &region->public;
	return 0;
}

/*
 * The kernel says how long its answer is in argsz, and writes capabilities
 * only if all fit.  That can change from one call to the next.
 */
static int get_region_info(int fd, uint32_t index, struct vfio_region_info **got)
{
	uint32_t size = sizeof(struct vfio_region_info);
	struct vfio_region_info *info = NULL, *larger;

	for (;;) {
		larger = realloc(info, size);
		if (!larger)
			goto no_memory;
		info = larger;
		memset(info, 0, size);
		info->argsz = size;
		info->index = index;
		if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info)) {
			int err = -errno;

			free(info);
			return err;
		}
		if (info->argsz < sizeof(*info) || info->argsz > INFO_MAX) {
			free(info);
			return -EPROTO;
		}
		if (info->argsz <= size)
			break;
		size = info->argsz;
	}
	*got = info;
	return 0;

no_memory:
	free(info);
	return -ENOMEM;
}

int vfiomem_region_open(int device_fd, uint32_t index,
			struct vfiomem_region **region)
{
	struct vfio_region_info *info = NULL;
	int err;

	err = get_region_info(device_fd, index, &info);
	if (err)
		return err;
	err = vfiomem_region_parse(info, info->argsz, device_fd, region);
	free(info);
	return err;
}

void vfiomem_region_close(struct vfiomem_region *region)
{
	free(region);		/* its first member */
}

/* The largest entry that a mapping of @size can use: a table is one page. */
static size_t entry_size(size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t pmd = page * (page / 8), pud = pmd * (page / 8);

	if (size >= pud)
		return pud;
	return size >= pmd ? pmd : page;
}

/*
 * Where @size bytes could go, aligned as @offset is: reserve so much that such
 * an address is in it.  Return: it, or NULL if there is not so much.
 */
static char *find_aligned(uint64_t offset, size_t size)
{
	const size_t entry = entry_size(size);
	char *reserved, *at;

	reserved = mmap(NULL, size + entry, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return NULL;
	at = reserved + ((offset - (uintptr_t)reserved) & (entry - 1));
	munmap(reserved, size + entry);
	return at;
}

/*
 * Another thread may map something there first, which must stay: look for
 * another place then, and after a few of them do without the alignment.
 */
static void *map_aligned(uint64_t offset, size_t size, int prot, int fd,
			 off_t fd_offset)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t whole = (size + page - 1) & -page;
	unsigned int tries;

	for (tries = 0; tries < 8; tries++) {
		void *at = find_aligned(offset, whole);
		void *got;

		if (!at)
			break;
		got = mmap(at, size, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
			   fd_offset);
		if (got != MAP_FAILED || errno != EEXIST)
			return got;
	}
	return mmap(NULL, size, prot, MAP_SHARED, fd, fd_offset);
}

int vfiomem_region_map(const struct vfiomem_region *region, uint64_t offset,
		       size_t size, int prot, void **addr, size_t *mapped)
{
	const struct region *private = (const struct region *)region;
	const struct vfiomem_area *area = vfiomem_region_area(region, offset);
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t rest;
	void *got;

	if (!region->nr_areas)
		return -ENODEV;
	if (!area || offset % page)
		return -EINVAL;
	rest = area->offset + area->size - offset;
	if (!size)
		size = rest;
	if (size > rest || (size % page && size != rest))
		return -EINVAL;
	if (!arch_has_device && area->attr.mode != VFIOMEM_NORMAL)
		return -EOPNOTSUPP;

	got = map_aligned(offset, size, prot, private->fd,
			  (off_t)(region->fd_offset + offset));
	if (got == MAP_FAILED)
		return -errno;
	*addr = got;
	if (mapped)
		*mapped = size;
	return 0;
}

int vfiomem_region_unmap(void *addr, size_t size)
{
	return munmap(addr, size) ? -errno : 0;
}

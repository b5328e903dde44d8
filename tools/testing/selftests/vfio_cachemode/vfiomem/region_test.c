// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: what the library makes of answers that a kernel may give, and of
 * answers that none should.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fake_vfio.h"
#include "ktap.h"
#include "vfiomem.h"

#define PAGE	4096UL
#define MIB	(1UL << 20)

/* Unknown to any consumer of today. */
#define UNKNOWN_ID	0xbeef

static size_t end;	/* of the answer as built so far */
static uint32_t *last;	/* the link to the next capability */

static void answer(uint32_t flags, uint64_t size)
{
	struct vfio_region_info *info = (void *)fake.answer;

	memset(&fake, 0, sizeof(fake));
	info->flags = flags;
	info->size = size;
	info->offset = 1ULL << 40;
	end = sizeof(*info);
	fake.size = end;
	last = &info->cap_offset;
}

static void *capability(uint16_t id, uint16_t version, size_t size)
{
	struct vfio_info_cap_header *header = (void *)(fake.answer + end);

	*last = end;
	header->id = id;
	header->version = version;
	last = &header->next;
	end += (size + 7) & ~7UL;
	fake.size = end;
	return header;
}

static struct vfio_mmap_cache_area *modes(uint32_t nr, uint32_t stride)
{
	struct vfio_region_info_cap_mmap_cache_mode *cap =
		capability(VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE, 1,
			   sizeof(*cap) + nr * stride);

	cap->nr_areas = nr;
	cap->area_size = stride;
	return cap->areas;
}

static struct vfio_region_sparse_mmap_area *sparse(uint32_t nr)
{
	struct vfio_region_info_cap_sparse_mmap *cap =
		capability(VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1,
			   sizeof(*cap) + nr * sizeof(cap->areas[0]));

	cap->nr_areas = nr;
	return cap->areas;
}

#define AREA(offset, size, mode, access, width) \
	((struct vfio_mmap_cache_area){ offset, size, mode, access, width, 0 })

#define MMAP_CAPS	(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | \
			 VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS)

static struct vfiomem_region *region;

static int open_region(void)
{
	region = NULL;
	return vfiomem_region_open(3, 4, &region);
}

static bool refused(void)
{
	int ret = open_region();

	if (!ret)
		vfiomem_region_close(region);
	return ret == -EPROTO;
}

static bool attr_is(uint64_t offset, unsigned int mode, unsigned int width,
		    unsigned int access)
{
	struct vfiomem_attr a = vfiomem_region_attr(region, offset);

	return a.mode == mode && a.max_width == width && a.access == access;
}

static const unsigned int strict =
#if defined(__x86_64__)
	VFIOMEM_UNALIGNED;
#else
	0;
#endif

static bool all_is_strict(uint64_t size)
{
	bool good = !region->reported && region->nr_areas == 1 &&
		    attr_is(0, VFIOMEM_UNKNOWN, 0, strict) &&
		    attr_is(size - 1, VFIOMEM_UNKNOWN, 0, strict) &&
		    attr_is(size, VFIOMEM_NONE, 0, 0);

	vfiomem_region_close(region);
	return good;
}

static void good_answers(void)
{
	struct vfio_mmap_cache_area *a;
	struct vfio_region_sparse_mmap_area *s;
	bool good;
	unsigned int i;

	answer(MMAP_CAPS, 4 * MIB);
	capability(UNKNOWN_ID, 7, 24);
	a = modes(3, sizeof(*a));
	a[0] = AREA(0, MIB, VFIO_MMAP_CACHE_MODE_NONCACHED, 0, 4);
	a[1] = AREA(MIB, MIB, VFIO_MMAP_CACHE_MODE_WRITECOMBINE, 0x1b, 0);
	a[2] = AREA(3 * MIB, MIB, VFIO_MMAP_CACHE_MODE_NORMAL, 0x7f, 0);
	capability(UNKNOWN_ID + 1, 1, 16);
	good = !open_region() && region->reported && region->nr_areas == 3 &&
	       region->size == 4 * MIB && region->fd_offset == 1ULL << 40 &&
	       attr_is(0, 0, 4, 0) && attr_is(MIB - 1, 0, 4, 0) &&
	       attr_is(MIB, 2, 0, 0x1b) && attr_is(2 * MIB - 1, 2, 0, 0x1b) &&
	       attr_is(2 * MIB, VFIOMEM_NONE, 0, 0) &&
	       attr_is(3 * MIB, 3, 0, 0x7f) &&
	       attr_is(4 * MIB, VFIOMEM_NONE, 0, 0) &&
	       attr_is(UINT64_MAX, VFIOMEM_NONE, 0, 0);
	ktap_result(good, "three areas, a hole, unknown capabilities around them");
	vfiomem_region_close(region);

	answer(MMAP_CAPS, MIB);
	a = modes(2, 48);
	a[0] = AREA(0, PAGE, 0, 0, 0);
	*(struct vfio_mmap_cache_area *)((char *)a + 48) = AREA(PAGE, MIB - PAGE, 2, 1, 0);
	good = !open_region() && attr_is(0, 0, 0, 0) && attr_is(PAGE, 2, 0, 1);
	ktap_result(good, "entries that have grown");
	vfiomem_region_close(region);

	answer(MMAP_CAPS, MIB + 100);
	a = modes(1, sizeof(*a));
	a[0] = AREA(0, MIB + 100, 3, 1, 0);
	good = !open_region() && attr_is(MIB + 99, 3, 0, 1) &&
	       attr_is(MIB + 100, VFIOMEM_NONE, 0, 0);
	ktap_result(good, "a last area that ends where the region does");
	vfiomem_region_close(region);

	answer(MMAP_CAPS, MIB);
	a = modes(1, sizeof(*a));
	a[0] = AREA(0, MIB, 9, 0x7f, 8);
	good = !open_region() && region->reported &&
	       attr_is(0, VFIOMEM_UNKNOWN, 8, 0);
	ktap_result(good, "an unknown mode allows nothing");
	vfiomem_region_close(region);

	answer(MMAP_CAPS, MIB);
	a = modes(1, sizeof(*a));
	a[0] = AREA(0, MIB, 3, 0xffffffff, 0);
	good = !open_region() && vfiomem_region_attr(region, 0).access == 0x7f;
	ktap_result(good, "unknown access bits are ignored");
	vfiomem_region_close(region);

	answer(MMAP_CAPS, MIB);
	a = modes(1, sizeof(*a));
	a[0] = AREA(0, MIB, 0, 0, 1U << 20);
	good = !open_region() && vfiomem_region_attr(region, 0).max_width >= 64;
	ktap_result(good, "a width that the attribute has no room for");
	vfiomem_region_close(region);

	answer(VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_READ, MIB);
	ktap_result(!open_region() && all_is_strict(MIB), "no capability: the strictest");

	answer(MMAP_CAPS, MIB);
	*(uint16_t *)((char *)capability(VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE, 2, 64)) =
		VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE;
	ktap_result(!open_region() && all_is_strict(MIB),
		    "a capability of another version: the strictest");

	answer(MMAP_CAPS, MIB);
	s = sparse(3);
	s[0] = (struct vfio_region_sparse_mmap_area){ 16 * PAGE, PAGE };
	s[1] = (struct vfio_region_sparse_mmap_area){ 3 * PAGE, 0 };
	s[2] = (struct vfio_region_sparse_mmap_area){ 0, 2 * PAGE };
	good = !open_region() && !region->reported && region->nr_areas == 2 &&
	       attr_is(0, VFIOMEM_UNKNOWN, 0, strict) && attr_is(2 * PAGE, VFIOMEM_NONE, 0, 0) &&
	       attr_is(16 * PAGE, VFIOMEM_UNKNOWN, 0, strict) && attr_is(17 * PAGE, VFIOMEM_NONE, 0, 0);
	ktap_result(good, "sparse areas without modes: the strictest, in any order");
	vfiomem_region_close(region);

	answer(MMAP_CAPS, MIB + 100);
	s = sparse(4);
	s[0] = (struct vfio_region_sparse_mmap_area){ 100, 3 * PAGE };
	s[1] = (struct vfio_region_sparse_mmap_area){ 8 * PAGE, 100 };
	s[2] = (struct vfio_region_sparse_mmap_area){ 9 * PAGE + 8, PAGE };
	s[3] = (struct vfio_region_sparse_mmap_area){ MIB - 8, 108 };
	good = !open_region() && region->nr_areas == 2 &&
	       region->areas[0].offset == PAGE && region->areas[0].size == 2 * PAGE &&
	       region->areas[1].offset == MIB && region->areas[1].size == 100;
	ktap_result(good, "sparse areas: whole pages, and the region's end");
	vfiomem_region_close(region);

	answer(VFIO_REGION_INFO_FLAG_READ, MIB);
	good = !open_region() && !region->nr_areas &&
	       attr_is(0, VFIOMEM_NONE, 0, 0);
	ktap_result(good, "a region that cannot be mapped has no areas");
	vfiomem_region_close(region);

	answer(MMAP_CAPS, 4096 * PAGE);
	a = modes(1000, sizeof(*a));
	for (i = 0; i < 1000; i++)
		a[i] = AREA(2 * i * PAGE, PAGE, i % 4, i % 128, 0);
	good = !open_region() && region->nr_areas == 1000;
	for (i = 0; good && i < 1000; i++)
		good = attr_is(2 * i * PAGE, i % 4, 0, i % 128) &&
		       attr_is((2 * i + 1) * PAGE, VFIOMEM_NONE, 0, 0);
	ktap_result(good, "a thousand areas, each found");
	vfiomem_region_close(region);

	answer(MMAP_CAPS, MIB);
	modes(1, sizeof(*a))[0] = AREA(0, MIB, 3, 1, 0);
	fake.grows = 5;
	good = !open_region() && region->nr_areas == 1 && attr_is(0, 3, 0, 1);
	ktap_result(good, "an answer that is longer at the next call");
	vfiomem_region_close(region);

	answer(0, 0);
	fake.error = ENODEV;
	ktap_result(open_region() == -ENODEV, "an error of the ioctl is told");
}

static void bad_answers(void)
{
	struct vfio_mmap_cache_area *a;
	struct vfio_region_info_cap_mmap_cache_mode *cap;
	struct vfio_info_cap_header *h;
	static const struct {
		const char *what;
		struct vfio_mmap_cache_area area[2];
	} areas[] = {
		{ "areas out of order", { AREA(PAGE, PAGE, 0, 0, 0), AREA(0, PAGE, 0, 0, 0) } },
		{ "areas that overlap", { AREA(0, 2 * PAGE, 0, 0, 0), AREA(PAGE, PAGE, 0, 0, 0) } },
		{ "an area of no bytes", { AREA(0, PAGE, 0, 0, 0), AREA(PAGE, 0, 0, 0, 0) } },
		{ "an area beyond the region",
		  { AREA(0, PAGE, 0, 0, 0), AREA(MIB, PAGE, 0, 0, 0) } },
		{ "an area that ends beyond the region",
		  { AREA(0, PAGE, 0, 0, 0), AREA(MIB - PAGE, 2 * PAGE, 0, 0, 0) } },
		{ "an area whose end wraps around",
		  { AREA(0, PAGE, 0, 0, 0), AREA(PAGE, -PAGE, 0, 0, 0) } },
		{ "an area that starts within a page",
		  { AREA(0, PAGE, 0, 0, 0), AREA(PAGE + 16, PAGE, 0, 0, 0) } },
		{ "an area that ends within a page",
		  { AREA(0, 100, 0, 0, 0), AREA(PAGE, PAGE, 0, 0, 0) } },
	};
	unsigned int i;

	for (i = 0; i < sizeof(areas) / sizeof(*areas); i++) {
		answer(MMAP_CAPS, MIB);
		a = modes(2, sizeof(*a));
		a[0] = areas[i].area[0];
		a[1] = areas[i].area[1];
		ktap_result(refused(), "malformed: %s", areas[i].what);
	}

	answer(MMAP_CAPS, MIB);
	h = capability(UNKNOWN_ID, 1, 16);
	h->next = sizeof(struct vfio_region_info);
	ktap_result(refused(), "malformed: a capability that is its own successor");

	answer(MMAP_CAPS, MIB);
	capability(UNKNOWN_ID, 1, 16);
	h = capability(UNKNOWN_ID, 1, 16);
	h->next = sizeof(struct vfio_region_info);
	ktap_result(refused(), "malformed: a loop of two");

	answer(MMAP_CAPS, MIB);
	*last = 4;
	fake.size = end + 64;
	ktap_result(refused(), "malformed: a capability within the fixed part");

	answer(MMAP_CAPS, MIB);
	*last = 0x7fffffff;
	ktap_result(refused(), "malformed: a capability beyond the answer");

	answer(MMAP_CAPS, MIB);
	*last = end;
	fake.size = end + 4;
	ktap_result(refused(), "malformed: half a header at the end");

	answer(MMAP_CAPS, MIB);
	a = modes(4, sizeof(*a));
	for (i = 0; i < 4; i++)
		a[i] = AREA(i * PAGE, PAGE, 0, 0, 0);
	fake.size -= 8;
	ktap_result(refused(), "malformed: fewer bytes than areas");

	answer(MMAP_CAPS, MIB);
	cap = (void *)((char *)modes(1, sizeof(*a)) - sizeof(*cap));
	cap->nr_areas = 0x08000001;	/* times 32 wraps around in 32 bits */
	ktap_result(refused(), "malformed: a number of areas that overflows");

	for (i = 0; i < 3; i++) {
		static const uint32_t strides[] = { 0, 24, 36 };

		answer(MMAP_CAPS, MIB);
		cap = (void *)((char *)modes(1, sizeof(*a)) - sizeof(*cap));
		cap->areas[0] = AREA(0, MIB, 0, 0, 0);
		cap->area_size = strides[i];
		ktap_result(refused(), "malformed: entries of %u bytes", strides[i]);
	}

	answer(MMAP_CAPS, MIB);
	fake.size = 0xfffffff0;
	ktap_result(refused(), "malformed: an answer of four gigabytes");

	answer(MMAP_CAPS, MIB);
	modes(1, sizeof(*a))[0] = AREA(0, MIB, 3, 1, 0);
	fake.size = 8;
	ktap_result(refused(), "malformed: an answer shorter than its fixed part");
}

/* The mapping itself, of a file that stands for a device. */
static void mapping(void)
{
	int fd = memfd_create("region", 0);
	struct vfio_mmap_cache_area *a;
	bool good = true;
	size_t mapped = 0;
	void *p = NULL, *q = NULL;
	unsigned int i;

	answer(MMAP_CAPS, 64 * MIB + PAGE);
	((struct vfio_region_info *)fake.answer)->offset = 0;
	a = modes(2, sizeof(*a));
	a[0] = AREA(0, PAGE, 0, 0, 0);
	a[1] = AREA(PAGE, 64 * MIB, 3, 0x7f, 0);
	if (fd < 0 || ftruncate(fd, 64 * MIB + PAGE) ||
	    vfiomem_region_open(fd, 0, &region)) {
		ktap_result(false, "map: a region on a file");
		return;
	}
	for (i = 0; i < 8 && good; i++) {
		good = !vfiomem_region_map(region, PAGE, 0, PROT_READ | PROT_WRITE, &p,
					   &mapped) && mapped == 64 * MIB &&
		       ((uintptr_t)p - PAGE) % (2 * MIB) == 0;
		/* Leave it there, so that the next gets another address. */
		if (i)
			vfiomem_region_unmap(q, PAGE);
		q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (good && i < 7)
			good = !vfiomem_region_unmap(p, mapped);
	}
	ktap_result(good, "map: aligned as the offset is, to 2 MiB");
	if (good) {
		memset(p, 0x5a, PAGE);
		good = pread(fd, &i, sizeof(i), PAGE) == sizeof(i) && i == 0x5a5a5a5a;
	}
	ktap_result(good, "map: it is the region's");
	ktap_result(vfiomem_region_map(region, 0, 2 * PAGE, PROT_READ, &q, NULL) == -EINVAL,
		    "map: across a border of two areas is refused");
	ktap_result(vfiomem_region_map(region, 100, PAGE, PROT_READ, &q, NULL) == -EINVAL &&
		    vfiomem_region_map(region, PAGE, 100, PROT_READ, &q, NULL) == -EINVAL &&
		    vfiomem_region_map(region, 1ULL << 50, 0, PROT_READ, &q, NULL) == -EINVAL &&
		    vfiomem_region_map(region, PAGE, SIZE_MAX, PROT_READ, &q, NULL) == -EINVAL,
		    "map: parts of pages, and what is outside, are refused");
	vfiomem_region_close(region);
	answer(VFIO_REGION_INFO_FLAG_READ, MIB);
	ktap_result(!open_region() &&
		    vfiomem_region_map(region, 0, 0, PROT_READ, &q, NULL) == -ENODEV,
		    "map: a region that cannot be mapped");
	vfiomem_region_close(region);
	vfiomem_region_close(NULL);
}

int main(void)
{
	ktap_start();
	good_answers();
	bad_answers();
	mapping();
	return ktap_finish();
}

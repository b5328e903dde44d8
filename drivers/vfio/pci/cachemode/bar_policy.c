// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operator's policy for a BAR: which ranges are write-combining, and how
 * wide accesses to them may be.
 *
 * The policy of a BAR is its struct cachemode_region: the areas that differ
 * from the default (NONCACHED, any width) are what the operator asked for.
 * When none is left the region goes, and the core serves the BAR again.
 */
#include <linux/align.h>
#include <linux/log2.h>
#include <linux/netlink.h>
#include <linux/overflow.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "cachemode.h"

/* With the gaps between them their areas still fit one netlink message. */
#define MAX_RANGES	16

/* No memory access that a CPU has is wider than this. */
#define MAX_WIDTH	64

static bool is_default(const struct cachemode_request *range)
{
	return range->mode == VFIO_MMAP_CACHE_MODE_NONCACHED &&
	       !range->max_width;
}

/* Ranges were checked: offset + size does not overflow. */
static bool overlaps(u64 offset, u64 size, const struct cachemode_request *b)
{
	return offset < b->offset + b->size && b->offset < offset + size;
}

static bool contains(const struct cachemode_request *outer,
		     const struct cachemode_request *inner)
{
	return outer->offset <= inner->offset &&
	       inner->offset + inner->size <= outer->offset + outer->size;
}

static int by_offset(const void *a, const void *b)
{
	const struct cachemode_request *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/*
 * The PCI core's device-specific resets map BAR 0 of these with a type of
 * their own, while our mapping of another type may live
 * (pci_dev_reset_methods[] in drivers/pci/quirks.c).
 */
static const struct pci_device_id reset_maps_bar0[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x0156) },	/* Ivy Bridge graphics */
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x0166) },
	{ PCI_DEVICE(PCI_VENDOR_ID_SAMSUNG, 0xa804) },	/* SM961 NVMe */
	{ PCI_DEVICE(PCI_VENDOR_ID_HUAWEI, 0x375e) },	/* hinic VF */
	{ }
};

static int check_bar(const struct cachemode_device *cdev, unsigned int index,
		     struct netlink_ext_ack *extack)
{
	const struct cachemode_region *region = cdev->regions[index];
	struct pci_dev *pdev = cdev->core.pdev;

	if (cachemode_region_emulated(region)) {
		NL_SET_ERR_MSG(extack,
			       "firmware decides the mode of this memory: it is no BAR of the hardware");
		return -EOPNOTSUPP;
	}
	if (test_bit(index, &cdev->hidden) || !pci_resource_len(pdev, index) ||
	    pci_resource_flags(pdev, index) & IORESOURCE_UNSET) {
		NL_SET_ERR_MSG(extack, "the device has no such BAR");
		return -ENOENT;
	}
	if (!(pci_resource_flags(pdev, index) & IORESOURCE_MEM)) {
		NL_SET_ERR_MSG(extack, "not a memory BAR");
		return -ENOENT;
	}
	if (!IS_ALIGNED(pci_resource_start(pdev, index), PAGE_SIZE) ||
	    pci_resource_len(pdev, index) < PAGE_SIZE) {
		NL_SET_ERR_MSG(extack,
			       "the BAR shares its page with others: a page has one mode");
		return -EINVAL;
	}
	if (index == 0 && cdev->devmem &&
	    cdev->ready_by == CACHEMODE_READY_BAR0) {
		NL_SET_ERR_MSG(extack,
			       "the driver itself maps this BAR, to see whether memory is ready");
		return -EACCES;
	}
	if (index == 0 && pci_match_id(reset_maps_bar0, pdev)) {
		NL_SET_ERR_MSG(extack,
			       "this device's reset quirk maps this BAR, uncached");
		return -EACCES;
	}
	return 0;
}

static int check_range(struct pci_dev *pdev, unsigned int index,
		       const struct cachemode_request *range, bool force,
		       struct netlink_ext_ack *extack)
{
	u64 bar_size = pci_resource_len(pdev, index);
	u64 end;

	if (range->mode != VFIO_MMAP_CACHE_MODE_NONCACHED &&
	    range->mode != VFIO_MMAP_CACHE_MODE_WRITECOMBINE) {
		NL_SET_ERR_MSG(extack,
			       "a BAR can be noncached or writecombine, nothing else");
		return -EOPNOTSUPP;
	}
	if (range->max_width && (!is_power_of_2(range->max_width) ||
				 range->max_width > MAX_WIDTH)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "max-width must be a power of two up to %u",
				   MAX_WIDTH);
		return -EINVAL;
	}
	if (!range->size || check_add_overflow(range->offset, range->size, &end) ||
	    end > bar_size) {
		NL_SET_ERR_MSG_FMT(extack,
				   "the range is empty or ends beyond the BAR's %#llx bytes",
				   bar_size);
		return -ERANGE;
	}
	if (!IS_ALIGNED(range->offset | range->size, PAGE_SIZE)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "misaligned: offset and size must be multiples of the page size, %lu",
				   PAGE_SIZE);
		return -EINVAL;
	}
	if (range->mode == VFIO_MMAP_CACHE_MODE_WRITECOMBINE && !force &&
	    !(pci_resource_flags(pdev, index) & IORESOURCE_PREFETCH)) {
		NL_SET_ERR_MSG(extack,
			       "the BAR is not prefetchable: reads may have side effects, writes may not be merged; force it if the device bears that");
		return -EACCES;
	}
	return 0;
}

/*
 * Whether a range touches the pages of one of the MSI-X structures: interrupts
 * are lost or doubled if writes to them linger or merge.
 */
static bool touches_msix(struct pci_dev *pdev, unsigned int index, int reg,
			 u64 bytes, const struct cachemode_request *range)
{
	u64 start, end;
	u32 where;

	pci_read_config_dword(pdev, pdev->msix_cap + reg, &where);
	/* PCI_MSIX_TABLE and PCI_MSIX_PBA are laid out alike. */
	if ((where & PCI_MSIX_TABLE_BIR) != index)
		return false;
	start = where & PCI_MSIX_TABLE_OFFSET;
	end = ALIGN(start + bytes, PAGE_SIZE);
	start = ALIGN_DOWN(start, PAGE_SIZE);
	return overlaps(start, end - start, range);
}

/* Context: the device's config space can be read. */
static int check_msix(struct pci_dev *pdev, unsigned int index,
		      const struct cachemode_request *range,
		      struct netlink_ext_ack *extack)
{
	unsigned int vectors;
	u16 control;

	if (!pdev->msix_cap ||
	    range->mode != VFIO_MMAP_CACHE_MODE_WRITECOMBINE)
		return 0;
	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &control);
	vectors = (control & PCI_MSIX_FLAGS_QSIZE) + 1;

	if (touches_msix(pdev, index, PCI_MSIX_TABLE,
			 vectors * PCI_MSIX_ENTRY_SIZE, range) ||
	    touches_msix(pdev, index, PCI_MSIX_PBA,
			 BITS_TO_U64(vectors) * sizeof(u64), range)) {
		NL_SET_ERR_MSG(extack,
			       "the range has pages of the MSI-X table or pending bits");
		return -EACCES;
	}
	return 0;
}

/*
 * Put the request's ranges beside the earlier ones that they leave alone.
 * @ranges holds MAX_RANGES, @nr of which are filled.
 */
static int merge(struct cachemode_request *ranges, unsigned int *nr,
		 const struct cachemode_request *requests, unsigned int count,
		 struct netlink_ext_ack *extack)
{
	unsigned int i, j, kept = 0;

	for (i = 0; i < count; i++)
		for (j = 0; j < i; j++)
			if (overlaps(requests[i].offset, requests[i].size,
				     &requests[j]))
				goto overlap;

	for (j = 0; j < *nr; j++) {
		bool replaced = false;

		for (i = 0; i < count; i++) {
			if (!overlaps(requests[i].offset, requests[i].size,
				      &ranges[j]))
				continue;
			if (!contains(&requests[i], &ranges[j])) {
				NL_SET_ERR_MSG_FMT(extack,
						   "overlap: the range cuts through the one at %#llx+%#llx; set that to noncached first",
						   ranges[j].offset,
						   ranges[j].size);
				return -EEXIST;
			}
			replaced = true;
		}
		if (!replaced)
			ranges[kept++] = ranges[j];
	}

	for (i = 0; i < count; i++) {
		if (is_default(&requests[i]))
			continue;
		if (kept == MAX_RANGES) {
			NL_SET_ERR_MSG_FMT(extack,
					   "a BAR can have at most %u ranges",
					   MAX_RANGES);
			return -ENOSPC;
		}
		ranges[kept++] = requests[i];
	}
	*nr = kept;
	sort(ranges, kept, sizeof(*ranges), by_offset, NULL);
	return 0;

overlap:
	NL_SET_ERR_MSG(extack, "overlap: two ranges of the request share bytes");
	return -EEXIST;
}

static unsigned int earlier_ranges(const struct cachemode_region *region,
				   struct cachemode_request *ranges)
{
	unsigned int i, nr = 0;

	for (i = 0; region && i < region->nr_areas; i++) {
		const struct cachemode_area *area = &region->areas[i];
		struct cachemode_request range = {
			.offset = area->offset,
			.size = area->size,
			.mode = area->wanted,
			.max_width = area->max_width,
		};

		if (!is_default(&range))
			ranges[nr++] = range;
	}
	return nr;
}

static void add_area(struct cachemode_region *region, u64 offset, u64 end,
		     enum vfio_mmap_cache_mode mode, u32 max_width)
{
	struct cachemode_area *area;

	if (offset == end)
		return;
	area = &region->areas[region->nr_areas++];
	area->region = region;
	area->offset = offset;
	area->size = end - offset;
	area->wanted = mode;
	area->max_width = max_width;
}

/* Cover the BAR: the ranges, and the default between them. */
static struct cachemode_region *
make_region(struct cachemode_device *cdev, unsigned int index,
	    const struct cachemode_request *ranges, unsigned int nr)
{
	struct pci_dev *pdev = cdev->core.pdev;
	struct cachemode_region *region;
	struct cachemode_area *areas;
	unsigned int i;
	u64 end = 0;

	region = cachemode_region_alloc(cdev, index,
			pci_resource_flags(pdev, index) & IORESOURCE_PREFETCH ?
				CACHEMODE_BACKING_PREFETCHABLE :
				CACHEMODE_BACKING_REGISTERS,
			pci_resource_start(pdev, index),
			pci_resource_len(pdev, index));
	if (IS_ERR(region))
		return region;

	areas = kcalloc(2 * nr + 1, sizeof(*areas), GFP_KERNEL_ACCOUNT);
	if (!areas) {
		cachemode_region_free(region);
		return ERR_PTR(-ENOMEM);
	}
	kfree(region->areas);
	region->areas = areas;
	region->nr_areas = 0;

	for (i = 0; i < nr; i++) {
		add_area(region, end, ranges[i].offset,
			 VFIO_MMAP_CACHE_MODE_NONCACHED, 0);
		end = ranges[i].offset + ranges[i].size;
		add_area(region, ranges[i].offset, end, ranges[i].mode,
			 ranges[i].max_width);
	}
	add_area(region, end, region->present, VFIO_MMAP_CACHE_MODE_NONCACHED,
		 0);
	return region;
}

/*
 * Map the region as the next open will, and look.  A refusal now is better
 * than a weaker mode then.  Nothing is accessed.
 */
static int try_region(struct cachemode_region *region,
		      struct netlink_ext_ack *extack)
{
	unsigned int i;
	int ret;

	ret = cachemode_region_map(region);
	if (ret) {
		NL_SET_ERR_MSG(extack, "the kernel can't map the BAR like this");
		return ret;
	}
	for (i = 0; i < region->nr_areas && !ret; i++) {
		if (region->areas[i].mode == region->areas[i].wanted)
			continue;
		NL_SET_ERR_MSG_FMT(extack,
				   "the platform cannot hold this mode: it turns the range at %#llx into another",
				   region->areas[i].offset);
		ret = -EOPNOTSUPP;
	}
	cachemode_region_unmap(region);
	return ret;
}

static int replace_region(struct cachemode_device *cdev, unsigned int index,
			  const struct cachemode_request *ranges,
			  unsigned int nr, struct netlink_ext_ack *extack)
{
	struct cachemode_region *region = NULL;
	int ret;

	if (nr) {
		region = make_region(cdev, index, ranges, nr);
		if (IS_ERR(region))
			return PTR_ERR(region);
		ret = try_region(region, extack);
		if (ret) {
			cachemode_region_free(region);
			return ret;
		}
	}
	swap(cdev->regions[index], region);
	cachemode_region_free(region);
	return 0;
}

/**
 * cachemode_bar_set_policy() - set the operator's policy for a BAR
 * @cdev: the device
 * @index: number of the BAR
 * @requests: ranges; each replaces earlier ranges that lie inside it
 * @nr: number of @requests, at most CACHEMODE_MAX_REQUESTS
 * @force: accept a BAR that is not prefetchable
 * @extack: gets the reason of a refusal
 *
 * All of the request is applied, or nothing.  It holds from the next open, and
 * until the driver is unbound.  Counters of the BAR start again.
 *
 * Context: May sleep.  Takes state_lock.
 * Return:
 * * 0 - done
 * * -EBUSY - the device is open
 * * -ENOENT - there is no such memory BAR
 * * -EACCES - the BAR can't bear it: it is not prefetchable (and @force is
 *   false), the range is MSI-X's, or the kernel maps the BAR itself
 * * -EEXIST - ranges overlap
 * * -ERANGE - a range is empty or ends beyond the BAR
 * * -EINVAL - a range is misaligned, or its width is no width
 * * -EOPNOTSUPP - the memory or the platform can't have that mode
 * * -ENOSPC - there would be too many ranges
 * * what the kernel said when it could not map the BAR or allocate memory
 */
int cachemode_bar_set_policy(struct cachemode_device *cdev, unsigned int index,
			     const struct cachemode_request *requests,
			     unsigned int nr, bool force,
			     struct netlink_ext_ack *extack)
{
	struct cachemode_request ranges[MAX_RANGES];
	struct pci_dev *pdev = cdev->core.pdev;
	unsigned int i, kept;
	int ret;

	mutex_lock(&cdev->state_lock);
	/* Not one whose user sent it to sleep. */
	if (cdev->open) {
		NL_SET_ERR_MSG(extack,
			       "the device is open: its modes are fixed until the last close");
		ret = -EBUSY;
		goto out_unlock;
	}
	/* MSI-X is asked for in config space, which D3cold takes away. */
	ret = pm_runtime_resume_and_get(&pdev->dev);
	if (ret) {
		NL_SET_ERR_MSG(extack, "the device does not wake up");
		goto out_unlock;
	}
	ret = check_bar(cdev, index, extack);
	for (i = 0; i < nr && !ret; i++)
		ret = check_range(pdev, index, &requests[i], force, extack) ?:
		      check_msix(pdev, index, &requests[i], extack);
	if (ret)
		goto out_put_power;

	kept = earlier_ranges(cdev->regions[index], ranges);
	ret = merge(ranges, &kept, requests, nr, extack) ?:
	      replace_region(cdev, index, ranges, kept, extack);
out_put_power:
	pm_runtime_put(&pdev->dev);
out_unlock:
	mutex_unlock(&cdev->state_lock);
	return ret;
}

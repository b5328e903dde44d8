// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions and areas: their life, the kernel's mappings, and what region info
 * tells about them.
 */

#include <linux/io.h>
#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "cachemode.h"

/**
 * cachemode_region_alloc - make a region of one area
 * @cdev: the device
 * @index: VFIO region index, which is the BAR's number
 * @backing: what is behind it
 * @phys: where the first byte is
 * @present: bytes that exist
 *
 * Return: the region, or an ERR_PTR
 */
struct cachemode_region *
cachemode_region_alloc(struct cachemode_device *cdev, unsigned int index,
		       enum cachemode_backing backing, phys_addr_t phys,
		       u64 present)
{
	struct cachemode_region *region;

	region = kzalloc_obj(*region, GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);
	region->areas = kzalloc_obj(*region->areas, GFP_KERNEL_ACCOUNT);
	if (!region->areas)
		goto err_free_region;
	region->stats = alloc_percpu(struct cachemode_stats);
	if (!region->stats)
		goto err_free_areas;

	region->cdev = cdev;
	region->index = index;
	region->backing = backing;
	region->phys = phys;
	region->size = roundup_pow_of_two(present);
	region->present = present;
	region->nr_areas = 1;
	region->areas[0].region = region;
	region->areas[0].size = present;
	region->areas[0].wanted = cachemode_policy_mode(backing);
	return region;

err_free_areas:
	kfree(region->areas);
err_free_region:
	kfree(region);
	return ERR_PTR(-ENOMEM);
}

/**
 * cachemode_region_free - free a region
 * @region: the region, not mapped; or NULL
 */
void cachemode_region_free(struct cachemode_region *region)
{
	if (!region)
		return;
	free_percpu(region->stats);
	kfree(region->areas);
	kfree(region);
}

static phys_addr_t area_phys(const struct cachemode_area *area)
{
	return area->region->phys + area->offset;
}

static void __iomem *map_phys(phys_addr_t phys, u64 size,
			      enum vfio_mmap_cache_mode mode)
{
	void __iomem *io;

	switch (mode) {
	case VFIO_MMAP_CACHE_MODE_NORMAL:
		return (void __iomem __force *)memremap(phys, size, MEMREMAP_WB);
	case VFIO_MMAP_CACHE_MODE_WRITECOMBINE:
		return ioremap_wc(phys, size);
	default:
		/*
		 * User mappings that are not cached are Device-nGnRnE on arm64
		 * (pgprot_noncached()); ioremap() would be nGnRE.  Where there
		 * is no such difference there is no ioremap_np() either.
		 */
		io = ioremap_np(phys, size);
		return io ?: ioremap(phys, size);
	}
}

static void area_unmap(struct cachemode_area *area)
{
	if (area->wanted == VFIO_MMAP_CACHE_MODE_NORMAL)
		memunmap((void __force *)area->io);
	else
		iounmap(area->io);
	area->io = NULL;
}

static int area_map(struct cachemode_area *area)
{
	struct cachemode_region *region = area->region;
	struct pci_dev *pdev = region->cdev->core.pdev;
	unsigned int mode;

	area->io = map_phys(area_phys(area), area->size, area->wanted);
	if (!area->io) {
		pci_err(pdev, "region %u: can't map %#llx bytes at offset %#llx\n",
			region->index, area->size, area->offset);
		return -ENOMEM;
	}

	mode = cachemode_effective_mode(area->io, area->size, area->wanted);
	if (mode != area->wanted)
		pci_warn(pdev, "region %u: offset %#llx: the platform turned mode %u into %u\n",
			 region->index, area->offset, area->wanted, mode);
	area->access = cachemode_policy_access(&cachemode_cpu, region->backing,
					       mode);
	area->mode = mode < CACHEMODE_NR_MODES ? mode :
						 VFIO_MMAP_CACHE_MODE_NONCACHED;
	return 0;
}

/**
 * cachemode_region_map - map a region's areas into the kernel, each with its
 * mode, and find out which mode is in effect
 * @region: the region
 *
 * Return: 0 or -ENOMEM
 */
int cachemode_region_map(struct cachemode_region *region)
{
	unsigned int i;
	int ret;

	for (i = 0; i < region->nr_areas; i++) {
		ret = area_map(&region->areas[i]);
		if (ret)
			goto err_unmap;
	}
	return 0;

err_unmap:
	cachemode_region_unmap(region);
	return ret;
}

/**
 * cachemode_region_unmap - undo cachemode_region_map()
 * @region: the region; nothing happens if it is not mapped
 */
void cachemode_region_unmap(struct cachemode_region *region)
{
	unsigned int i;

	for (i = 0; i < region->nr_areas; i++)
		if (region->areas[i].io)
			area_unmap(&region->areas[i]);
}

/* Registers have no poison: an error there is the device's to report. */
static void register_poison(struct cachemode_region *region)
{
	unsigned int i;

	for (i = 0; i < region->nr_areas; i++)
		if (cachemode_region_emulated(region))
			cachemode_poison_register(&region->areas[i]);
}

/**
 * cachemode_regions_open - get all regions ready for user space
 * @cdev: the device
 *
 * Context: open, before user space has the device.
 * Return: 0 or -ENOMEM
 */
int cachemode_regions_open(struct cachemode_device *cdev)
{
	unsigned int i;
	int ret;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (!cdev->regions[i])
			continue;
		cdev->regions[i]->bar = 0;
		ret = cachemode_region_map(cdev->regions[i]);
		if (ret)
			goto err_close;
		register_poison(cdev->regions[i]);
	}
	return 0;

err_close:
	cachemode_regions_close(cdev);
	return ret;
}

/**
 * cachemode_regions_close - undo cachemode_regions_open()
 * @cdev: the device
 *
 * Context: close, when no user mapping is left.
 */
void cachemode_regions_close(struct cachemode_device *cdev)
{
	unsigned int i, j;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		struct cachemode_region *region = cdev->regions[i];

		if (!region)
			continue;
		for (j = 0; j < region->nr_areas; j++)
			cachemode_poison_unregister(&region->areas[j]);
		cachemode_region_unmap(region);
	}
}

static struct cachemode_area *find_area(struct cachemode_region *region,
					u64 offset)
{
	unsigned int i;

	for (i = 0; i < region->nr_areas; i++) {
		struct cachemode_area *area = &region->areas[i];

		if (offset >= area->offset && offset - area->offset < area->size)
			return area;
	}
	return NULL;
}

/**
 * cachemode_region_find - find out what read() and write() meet at an offset
 * @region: the region
 * @offset: within the region
 * @end: set to where that ends, within the region
 *
 * Return: the area, or NULL where nothing exists, or nothing for the user to
 * see: the MSI-X table, as in vfio-pci-core
 */
struct cachemode_area *cachemode_region_find(struct cachemode_region *region,
					     u64 offset, u64 *end)
{
	const struct vfio_pci_core_device *core = &region->cdev->core;
	struct cachemode_area *area = find_area(region, offset);
	u64 table, table_end;

	*end = area ? area->offset + area->size : region->size;
	if (cachemode_region_emulated(region) || region->index != core->msix_bar)
		return area;

	table = core->msix_offset;
	table_end = min(table + core->msix_size, region->size);
	if (offset >= table_end)
		return area;
	if (offset < table) {
		*end = min(*end, table);
		return area;
	}
	*end = table_end;
	return NULL;
}

/**
 * cachemode_region_map_area - find the area that a user mapping lies in
 * @region: the region
 * @offset: first byte of the mapping, within the region
 * @size: bytes of the mapping
 *
 * Return: the area, or NULL if the mapping is not within one
 */
struct cachemode_area *
cachemode_region_map_area(struct cachemode_region *region, u64 offset, u64 size)
{
	struct cachemode_area *area = find_area(region, offset);

	if (!area || size > PAGE_ALIGN(area->size) - (offset - area->offset))
		return NULL;
	return area;
}

static int add_msix_cap(struct vfio_info_cap *caps)
{
	struct vfio_info_cap_header header = {
		.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
		.version = 1,
	};

	return vfio_info_add_capability(caps, &header, sizeof(header));
}

static int add_sparse_cap(const struct cachemode_region *region,
			  struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_sparse_mmap *cap;
	size_t size = struct_size(cap, areas, region->nr_areas);
	unsigned int i;
	int ret;

	cap = kzalloc(size, GFP_KERNEL);
	if (!cap)
		return -ENOMEM;
	cap->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	cap->header.version = 1;
	cap->nr_areas = region->nr_areas;
	for (i = 0; i < region->nr_areas; i++) {
		cap->areas[i].offset = region->areas[i].offset;
		cap->areas[i].size = region->areas[i].size;
	}
	ret = vfio_info_add_capability(caps, &cap->header, size);
	kfree(cap);
	return ret;
}

static int add_mode_cap(const struct vfio_mmap_cache_area *areas,
			unsigned int nr_areas, struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_mmap_cache_mode *cap;
	size_t size = struct_size(cap, areas, nr_areas);
	int ret;

	cap = kzalloc(size, GFP_KERNEL);
	if (!cap)
		return -ENOMEM;
	cap->header.id = VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE;
	cap->header.version = VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE_VERSION;
	cap->nr_areas = nr_areas;
	cap->area_size = sizeof(*areas);
	memcpy(cap->areas, areas, array_size(nr_areas, sizeof(*areas)));
	ret = vfio_info_add_capability(caps, &cap->header, size);
	kfree(cap);
	return ret;
}

/* A BAR that the core serves: one area, and no choice. */
static int core_bar_info(struct cachemode_device *cdev,
			 struct vfio_region_info *info,
			 struct vfio_info_cap *caps)
{
	unsigned int mode = cdev->core_bar_mode[info->index];
	bool prefetch = pci_resource_flags(cdev->core.pdev, info->index) &
			IORESOURCE_PREFETCH;
	struct vfio_mmap_cache_area area = {
		.size = info->size,
		.mode = mode < CACHEMODE_NR_MODES ?
				mode : VFIO_MMAP_CACHE_MODE_NONCACHED,
		.access = cachemode_policy_access(&cachemode_cpu,
				prefetch ? CACHEMODE_BACKING_PREFETCHABLE :
					   CACHEMODE_BACKING_REGISTERS, mode),
	};

	return add_mode_cap(&area, 1, caps);
}

static int region_info(struct cachemode_region *region,
		       struct vfio_region_info *info,
		       struct vfio_info_cap *caps)
{
	struct vfio_mmap_cache_area *areas;
	unsigned int i;
	int ret;

	info->offset = VFIO_PCI_INDEX_TO_OFFSET(region->index);
	info->size = region->size;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		      VFIO_REGION_INFO_FLAG_MMAP;

	if (!cachemode_region_emulated(region) &&
	    region->index == region->cdev->core.msix_bar) {
		ret = add_msix_cap(caps);
		if (ret)
			return ret;
	}
	if (region->nr_areas > 1 || region->present < region->size) {
		ret = add_sparse_cap(region, caps);
		if (ret)
			return ret;
	}

	areas = kzalloc_objs(*areas, region->nr_areas, GFP_KERNEL);
	if (!areas)
		return -ENOMEM;
	for (i = 0; i < region->nr_areas; i++) {
		areas[i].offset = region->areas[i].offset;
		areas[i].size = region->areas[i].size;
		areas[i].mode = region->areas[i].mode;
		areas[i].access = region->areas[i].access;
		areas[i].max_width = region->areas[i].max_width;
	}
	ret = add_mode_cap(areas, region->nr_areas, caps);
	kfree(areas);
	return ret;
}

/**
 * cachemode_get_region_info_caps - vfio_device_ops.get_region_info_caps
 * @core_vdev: the device, open
 * @info: @info->index is the question, the rest the answer
 * @caps: capabilities to add to
 *
 * Return: 0 or a negative error
 */
int cachemode_get_region_info_caps(struct vfio_device *core_vdev,
				   struct vfio_region_info *info,
				   struct vfio_info_cap *caps)
{
	struct cachemode_device *cdev = to_cachemode(core_vdev);
	unsigned int index = info->index;
	int ret;

	if (index >= PCI_STD_NUM_BARS)
		return vfio_pci_ioctl_get_region_info(core_vdev, info, caps);
	index = array_index_nospec(index, PCI_STD_NUM_BARS);
	info->index = index;

	if (cdev->regions[index])
		return region_info(cdev->regions[index], info, caps);

	if (test_bit(index, &cdev->hidden)) {
		info->offset = VFIO_PCI_INDEX_TO_OFFSET(index);
		info->size = 0;
		info->flags = 0;
		return 0;
	}

	ret = vfio_pci_ioctl_get_region_info(core_vdev, info, caps);
	if (ret || !(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return ret;
	return core_bar_info(cdev, info, caps);
}

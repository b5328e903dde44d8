// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory failures in device memory: the process that meets the poison is killed,
 * and so are those that map the page and asked for early killing.
 * Nothing more: no mapping is zapped, and the driver is not told.
 */

#include <linux/mm.h>

#include "cachemode.h"

static int pfn_to_vma_pgoff(struct vm_area_struct *vma, unsigned long pfn,
			    pgoff_t *pgoff)
{
	const struct cachemode_area *area;
	unsigned long first;

	/* The device's mappings of BARs that the core serves come here too. */
	if (vma->vm_ops != &cachemode_vm_ops)
		return -EFAULT;
	area = vma->vm_private_data;
	first = cachemode_vma_pfn(area->region, vma);
	if (pfn < first || pfn - first >= vma_pages(vma))
		return -EFAULT;
	*pgoff = vma->vm_pgoff + (pfn - first);
	return 0;
}

/**
 * cachemode_poison_register - have memory failures of an area kill its users
 * @area: the area
 *
 * Best effort: kernels before 7.0, and those without memory failure handling,
 * cannot.
 */
void cachemode_poison_register(struct cachemode_area *area)
{
	struct cachemode_device *cdev = area->region->cdev;
	unsigned long pfn = PHYS_PFN(area->region->phys + area->offset);

	area->poison.node.start = pfn;
	area->poison.node.last = pfn + PFN_UP(area->size) - 1;
	area->poison.mapping = cdev->core.vdev.inode->i_mapping;
	area->poison.pfn_to_vma_pgoff = pfn_to_vma_pgoff;
	area->poison_registered = !register_pfn_address_space(&area->poison);
	if (!area->poison_registered)
		pci_dbg(cdev->core.pdev, "region %u: users are not told of memory failures\n",
			area->region->index);
}

/**
 * cachemode_poison_unregister - undo cachemode_poison_register()
 * @area: the area, whether it could be registered or not
 */
void cachemode_poison_unregister(struct cachemode_area *area)
{
	/* To unregister what is not registered removes somebody else's. */
	if (area->poison_registered)
		unregister_pfn_address_space(&area->poison);
	area->poison_registered = false;
}

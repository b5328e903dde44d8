// SPDX-License-Identifier: GPL-2.0-only
/*
 * User mappings: installed by fault at the largest order that fits, one mode a
 * VMA, zapped on reset, memory disable and power-down.
 */

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/pm_runtime.h>
#include <linux/sched.h>

#include "cachemode.h"

#define PGOFF_SHIFT	(VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT)
#define PGOFF_MASK	((1UL << PGOFF_SHIFT) - 1)

/* How long a fault waits for a reset device, before it is taken again. */
#define FAULT_WAIT_MS	100

/**
 * cachemode_vma_pfn - the first page that a user mapping shows
 * @region: the region
 * @vma: a mapping of it
 *
 * Return: its page frame number
 */
unsigned long cachemode_vma_pfn(const struct cachemode_region *region,
				const struct vm_area_struct *vma)
{
	return PHYS_PFN(region->phys) + (vma->vm_pgoff & PGOFF_MASK);
}

static vm_fault_t insert(struct cachemode_region *region, struct vm_fault *vmf,
			 unsigned long pfn, unsigned int order, bool *not_ready)
{
	struct cachemode_device *cdev = region->cdev;
	struct vfio_pci_core_device *core = &cdev->core;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&core->memory_lock);
	/* In low power, which the user asked for, nothing may be mapped. */
	if (core->pm_runtime_engaged || !__vfio_pci_memory_enabled(core))
		goto out_unlock_memory;

	down_read(&cdev->reset_lock);
	*not_ready = !cachemode_region_ready(region);
	if (!*not_ready)
		ret = vfio_pci_vmf_insert_pfn(core, vmf, pfn, order);
	up_read(&cdev->reset_lock);

out_unlock_memory:
	up_read(&core->memory_lock);
	return ret;
}

/*
 * Memory trains: wait for it, and have the fault taken again, until memory is
 * ready, or too late, or who waits is killed.
 *
 * The lock that the fault came with is released meanwhile if it may be, so that
 * munmap() and others need not wait as well, and the fault is VM_FAULT_RETRY
 * then.  That is how KVM and type1, which fault pages in to look them up, know
 * that there is something to wait for: no page and nothing to retry is an error
 * to them (callers of fixup_user_fault()).
 */
static vm_fault_t wait_for_reset(struct cachemode_region *region,
				 struct vm_fault *vmf)
{
	const bool may_unlock = vmf->flags & FAULT_FLAG_ALLOW_RETRY;
	struct cachemode_device *cdev = region->cdev;
	struct file *file = vmf->vma->vm_file;
	vm_fault_t fault = VM_FAULT_SIGBUS;
	int active, ret;

	/*
	 * To wait is to read status registers, which a function that another
	 * thread sends to sleep meanwhile does not have.  A fault does not wake
	 * it.  Negative: no runtime power management, so nothing to hold.
	 */
	active = pm_runtime_get_if_active(&cdev->core.pdev->dev);
	if (!active && READ_ONCE(cdev->core.pm_runtime_engaged))
		return VM_FAULT_SIGBUS;
	/* The VMA may go once it is unlocked; the file keeps the region. */
	get_file(file);

	/*
	 * An error can be told only as long as the lock is held.  A function
	 * that is awake for its user, who was told, may not yet be active.
	 */
	ret = !active ? -EAGAIN :
		cachemode_ready_wait(region, may_unlock ? 0 : FAULT_WAIT_MS);
	if (!ret || ret == -EAGAIN) {
		fault = may_unlock ? VM_FAULT_RETRY : VM_FAULT_NOPAGE;
		if (may_unlock && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT)) {
			release_fault_lock(vmf);
			if (active)
				cachemode_ready_wait(region, FAULT_WAIT_MS);
			else
				schedule_timeout_killable(1);
		}
	}

	if (active > 0)
		cachemode_let_sleep(cdev);
	fput(file);
	return fault;
}

static vm_fault_t cachemode_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct cachemode_area *area = vma->vm_private_data;
	struct cachemode_region *region = area->region;
	unsigned long size = PAGE_SIZE << order;
	unsigned long addr = ALIGN_DOWN(vmf->address, size);
	bool not_ready = false;
	unsigned long pfn;
	vm_fault_t ret;

	/* The VMA lies within its area, so an entry within it does too. */
	if (addr < vma->vm_start || vma->vm_end - addr < size)
		return VM_FAULT_FALLBACK;
	pfn = cachemode_vma_pfn(region, vma) + PHYS_PFN(addr - vma->vm_start);
	if (!IS_ALIGNED(pfn, 1UL << order))
		return VM_FAULT_FALLBACK;

	ret = insert(region, vmf, pfn, order, &not_ready);
	if (ret & VM_FAULT_FALLBACK)
		return ret;
	cachemode_stats_fault(region, order, !not_ready && ret == VM_FAULT_NOPAGE);
	return not_ready ? wait_for_reset(region, vmf) : ret;
}

static vm_fault_t cachemode_fault(struct vm_fault *vmf)
{
	return cachemode_huge_fault(vmf, 0);
}

const struct vm_operations_struct cachemode_vm_ops = {
	.fault = cachemode_fault,
#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
	.huge_fault = cachemode_huge_fault,
#endif
};

static int map_user(struct cachemode_region *region, struct vm_area_struct *vma)
{
	u64 start = (u64)(vma->vm_pgoff & PGOFF_MASK) << PAGE_SHIFT;
	u64 len = vma->vm_end - vma->vm_start;
	struct cachemode_area *area;
	vm_flags_t flags;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	/* One VMA, one mode: mprotect() on arm64 rewrites entries that differ. */
	area = cachemode_region_map_area(region, start, len);
	if (!area)
		return -EINVAL;

	vma->vm_private_data = area;
	vma->vm_page_prot = cachemode_pgprot(vma->vm_page_prot, area->mode);
	vma->vm_ops = &cachemode_vm_ops;

	flags = VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
	/*
	 * As vfio-pci-core: on arm64 a guest may then have it Normal-NC.  Not
	 * for what is cacheable here, where another type would be incoherent.
	 */
	if (area->mode != VFIO_MMAP_CACHE_MODE_NORMAL)
		flags |= VM_ALLOW_ANY_UNCACHED;
	vm_flags_set(vma, flags);
	return 0;
}

/**
 * cachemode_mmap - vfio_device_ops.mmap
 * @core_vdev: the device, open
 * @vma: the new mapping
 *
 * Return: 0, or -EINVAL for what is not shared, or not within one area
 */
int cachemode_mmap(struct vfio_device *core_vdev, struct vm_area_struct *vma)
{
	struct cachemode_device *cdev = to_cachemode(core_vdev);
	unsigned long index = vma->vm_pgoff >> PGOFF_SHIFT;

	if (index < PCI_STD_NUM_BARS) {
		index = array_index_nospec(index, PCI_STD_NUM_BARS);
		if (cdev->regions[index])
			return map_user(cdev->regions[index], vma);
		if (test_bit(index, &cdev->hidden))
			return -EINVAL;
	}
	return vfio_pci_core_mmap(core_vdev, vma);
}

/**
 * cachemode_zap - take down all user mappings of BARs and of what looks like them
 * @cdev: the device
 *
 * Context: may sleep.  The caller has seen to it that faults install nothing
 * new (@in_reset, or memory_lock held for writing).
 */
void cachemode_zap(struct cachemode_device *cdev)
{
	struct vfio_device *core_vdev = &cdev->core.vdev;
	const loff_t start = VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_BAR0_REGION_INDEX);
	const loff_t end = VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_ROM_REGION_INDEX);

	/*
	 * All BARs, as the core does it: a closed device is reset as well, and
	 * its regions may change meanwhile.
	 */
	unmap_mapping_range(core_vdev->inode->i_mapping, start, end - start,
			    true);
}

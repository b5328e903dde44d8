// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which mode, width and access a range gets: pure functions of platform,
 * firmware and the operator's choice.
 */

#include <linux/align.h>
#include <linux/errno.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <linux/vfio_pci_core.h>

#include "policy.h"

/* The carve-out that GPUs need which can't do MIG with cached memory. */
#define CARVE_OUT_SIZE		SZ_1G
/* What their driver onlines comes in blocks of this size. */
#define CARVE_OUT_ALIGN		SZ_512M

/**
 * cachemode_policy_split - check device memory, and decide how it is shown
 * @base: physical address of the first byte, from firmware
 * @size: bytes, from firmware
 * @carve_out: the function needs an uncached carve-out at the end
 * @phys_max: the highest physical address that the platform has
 * @split: the result
 * @why: on failure, what is wrong, to be logged
 *
 * Nothing here is believed: firmware may be wrong or hostile.
 *
 * Return: 0, -ENODEV where firmware says that the memory did not come up, or
 * -EINVAL.
 */
int cachemode_policy_split(u64 base, u64 size, bool carve_out, u64 phys_max,
			   struct cachemode_split *split, const char **why)
{
	u64 last;

	if (!size) {
		*why = "size is 0: the link to the memory did not come up";
		return -ENODEV;
	}
	if (!base) {
		*why = "base is 0";
		return -EINVAL;
	}
	if (check_add_overflow(base, size - 1, &last)) {
		*why = "base + size overflows";
		return -EINVAL;
	}
	if (!IS_ALIGNED(base | size, PAGE_SIZE)) {
		*why = "base or size is not a multiple of the page size";
		return -EINVAL;
	}
	if (last > phys_max) {
		*why = "end is beyond what the CPU can address";
		return -EINVAL;
	}
	if (size > VFIO_PCI_OFFSET_MASK + 1) {
		*why = "size is beyond what a VFIO region can be";
		return -EINVAL;
	}

	split->usable = size;
	split->carve_out = 0;
	if (!carve_out)
		return 0;

	if (size < CARVE_OUT_SIZE + CARVE_OUT_ALIGN) {
		*why = "size leaves nothing beside the carve-out";
		return -EINVAL;
	}
	split->usable = ALIGN_DOWN(size - CARVE_OUT_SIZE, CARVE_OUT_ALIGN);
	split->carve_out = size - split->usable;
	return 0;
}

/**
 * cachemode_policy_mode - the mode that a range gets unless the operator says
 * otherwise
 * @backing: what is behind it
 *
 * NORMAL is only for memory that firmware declares coherent.
 *
 * Return: the mode
 */
enum vfio_mmap_cache_mode cachemode_policy_mode(enum cachemode_backing backing)
{
	switch (backing) {
	case CACHEMODE_BACKING_COHERENT:
		return VFIO_MMAP_CACHE_MODE_NORMAL;
	case CACHEMODE_BACKING_CARVE_OUT:
		return VFIO_MMAP_CACHE_MODE_WRITECOMBINE;
	default:
		return VFIO_MMAP_CACHE_MODE_NONCACHED;
	}
}

/**
 * cachemode_policy_access - what user space may do to a range
 * @cpu: the CPU
 * @backing: what is behind the range
 * @mode: the mode in effect, or CACHEMODE_MODE_OTHER
 *
 * A mode says how the CPU accesses; whether the device bears repeated reads
 * and merged writes is the device's to say: memory does, and a BAR whose
 * prefetchable bit is set (PCI Local Bus Specification 3.0, 6.2.5.1).
 *
 * Return: VFIO_MMAP_ACCESS_* bits
 */
u32 cachemode_policy_access(const struct cachemode_cpu *cpu,
			    enum cachemode_backing backing, unsigned int mode)
{
	u32 access;

	if (mode >= CACHEMODE_NR_MODES)
		return 0;

	access = cpu->access[mode];
	if (backing != CACHEMODE_BACKING_REGISTERS)
		access |= VFIO_MMAP_ACCESS_READ_IDEMPOTENT |
			  VFIO_MMAP_ACCESS_WRITE_MERGE;
	if (backing == CACHEMODE_BACKING_COHERENT &&
	    mode == VFIO_MMAP_CACHE_MODE_NORMAL)
		access |= VFIO_MMAP_ACCESS_COHERENT;
	return access;
}

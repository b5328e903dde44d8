// SPDX-License-Identifier: GPL-2.0-only
/*
 * Config space: the registers of emulated BARs are ours, the rest is the
 * core's.
 */

#include <linux/uaccess.h>

#include "cachemode.h"

#define BAR64_FLAGS	(PCI_BASE_ADDRESS_SPACE_MEMORY | \
			 PCI_BASE_ADDRESS_MEM_TYPE_64 | \
			 PCI_BASE_ADDRESS_MEM_PREFETCH)

/* The two registers of a 64-bit BAR. */
#define BAR64_BYTES	8

static loff_t bar_offset(const struct cachemode_region *region)
{
	return PCI_BASE_ADDRESS_0 + 4 * region->index;
}

/* The first emulated BAR that ends behind @pos, or NULL. */
static struct cachemode_region *
next_emulated_bar(struct cachemode_device *cdev, loff_t pos)
{
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		if (cachemode_region_emulated(cdev->regions[i]) &&
		    pos < bar_offset(cdev->regions[i]) + BAR64_BYTES)
			return cdev->regions[i];
	return NULL;
}

/*
 * Address bits below the size are not there: that is how software finds the
 * size (PCI Local Bus Specification 3.0, 6.2.5.1).
 */
static __le64 bar_value(const struct cachemode_region *region)
{
	const u64 address = le64_to_cpu(region->bar) & ~(region->size - 1);

	return cpu_to_le64(address | BAR64_FLAGS);
}

static int bar_rw(struct cachemode_region *region, char __user *buf,
		  size_t first, size_t count, bool write)
{
	__le64 value = bar_value(region);

	if (!write)
		return copy_to_user(buf, (u8 *)&value + first, count) ? -EFAULT :
									0;
	/* Only these bytes: another thread may be writing the others. */
	if (copy_from_user(&value, buf, count))
		return -EFAULT;
	memcpy((u8 *)&region->bar + first, &value, count);
	return 0;
}

/* A write to the power management registers may take the function down. */
static bool touches_power(const struct pci_dev *pdev, loff_t pos, size_t count)
{
	loff_t reg = pdev->pm_cap + PCI_PM_CTRL;

	return pdev->pm_cap && pos < reg + sizeof(u16) && pos + count > reg;
}

static ssize_t core_rw(struct cachemode_device *cdev, char __user *buf,
		       size_t count, loff_t *ppos, bool write)
{
	struct vfio_device *core_vdev = &cdev->core.vdev;
	ssize_t ret;

	if (!write)
		return vfio_pci_core_read(core_vdev, buf, count, ppos);
	if (!touches_power(cdev->core.pdev, *ppos & VFIO_PCI_OFFSET_MASK, count))
		return vfio_pci_core_write(core_vdev, buf, count, ppos);
	/* Nobody takes it up again before its memory is known to be gone. */
	mutex_lock(&cdev->power_lock);
	ret = vfio_pci_core_write(core_vdev, buf, count, ppos);
	cachemode_ready_recheck(cdev);
	mutex_unlock(&cdev->power_lock);
	return ret;
}

/**
 * cachemode_config_rw - read or write config space
 * @cdev: the device, open
 * @buf: user memory
 * @count: bytes, more than 0
 * @ppos: region and offset within it
 * @write: write, or else read
 *
 * Return: bytes done, or a negative error if none
 */
ssize_t cachemode_config_rw(struct cachemode_device *cdev, char __user *buf,
			    size_t count, loff_t *ppos, bool write)
{
	size_t done = 0;
	ssize_t ret = 0;

	while (done < count) {
		loff_t pos = *ppos & VFIO_PCI_OFFSET_MASK;
		struct cachemode_region *region = next_emulated_bar(cdev, pos);
		size_t piece = count - done;
		loff_t bar = region ? bar_offset(region) : LLONG_MAX;

		if (pos < bar) {
			piece = min_t(u64, piece, bar - pos);
			ret = core_rw(cdev, buf + done, piece, ppos, write);
		} else {
			piece = min_t(u64, piece, bar + BAR64_BYTES - pos);
			ret = bar_rw(region, buf + done, pos - bar, piece, write);
			if (!ret) {
				*ppos += piece;
				ret = piece;
			}
		}
		if (ret <= 0)
			break;
		done += ret;
		if (ret < piece)
			break;
	}
	return done ?: ret;
}

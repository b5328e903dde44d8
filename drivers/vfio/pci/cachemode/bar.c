// SPDX-License-Identifier: GPL-2.0-only
/*
 * Physical BARs.
 */

#include <linux/io.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "cachemode.h"

/*
 * Take BAR @bar from the core, which has mapped it uncached as a whole.  From
 * then on the core finds no mapping there, and the reservation is ours.
 */
static int take_bar(struct cachemode_device *cdev, unsigned int bar)
{
	struct vfio_pci_core_device *core = &cdev->core;
	void __iomem *io;

	if (!pci_resource_len(core->pdev, bar))
		return 0;
	io = vfio_pci_core_get_iomap(core, bar);
	if (IS_ERR(io)) {
		pci_err(core->pdev, "BAR %u: can't be reserved: %pe\n", bar, io);
		return PTR_ERR(io);
	}
	pci_iounmap(core->pdev, io);
	core->barmap[bar] = IOMEM_ERR_PTR(-ENODEV);
	__set_bit(bar, &cdev->taken);
	return 0;
}

static void return_bar(struct cachemode_device *cdev, unsigned int bar)
{
	/* NULL: nothing for the core to undo. */
	cdev->core.barmap[bar] = NULL;
	pci_release_selected_regions(cdev->core.pdev, BIT(bar));
	__clear_bit(bar, &cdev->taken);
}

/*
 * Which mode is in effect for a BAR that the core serves.  The core maps it
 * uncached, but inherits what somebody else has reserved it with on x86.
 */
static unsigned int core_bar_mode(struct cachemode_device *cdev,
				  unsigned int bar)
{
	void __iomem *io = vfio_pci_core_get_iomap(&cdev->core, bar);

	if (IS_ERR(io))
		return CACHEMODE_MODE_OTHER;
	return cachemode_effective_mode(io,
					pci_resource_len(cdev->core.pdev, bar),
					VFIO_MMAP_CACHE_MODE_NONCACHED);
}

/**
 * cachemode_bars_open - sort out the physical BARs
 * @cdev: the device, enabled, not yet visible to user space
 *
 * A BAR that an emulated one shadows goes out of reach.
 *
 * Return: 0 or a negative error
 */
int cachemode_bars_open(struct cachemode_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	unsigned int bar;
	int ret;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		if (cdev->regions[bar] || test_bit(bar, &cdev->hidden)) {
			ret = take_bar(cdev, bar);
			if (ret)
				goto err_return;
		} else if (pci_resource_flags(pdev, bar) & IORESOURCE_MEM) {
			cdev->core_bar_mode[bar] = core_bar_mode(cdev, bar);
		}
	}
	return 0;

err_return:
	cachemode_bars_close(cdev);
	return ret;
}

/**
 * cachemode_bars_close - undo cachemode_bars_open()
 * @cdev: the device, no longer visible to user space, still enabled
 */
void cachemode_bars_close(struct cachemode_device *cdev)
{
	unsigned int bar;

	for_each_set_bit(bar, &cdev->taken, PCI_STD_NUM_BARS)
		return_bar(cdev, bar);
}

/**
 * cachemode_bar0 - the kernel's mapping of BAR 0
 * @cdev: the device, open
 *
 * Return: the start of BAR 0, or an ERR_PTR
 */
const void __iomem *cachemode_bar0(struct cachemode_device *cdev)
{
	return vfio_pci_core_get_iomap(&cdev->core, 0);
}

/**
 * cachemode_ioctl - vfio_device_ops.ioctl
 * @core_vdev: the device, open
 * @cmd: VFIO_DEVICE_*
 * @arg: of the ioctl
 *
 * Return: what the ioctl does
 */
long cachemode_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
		     unsigned long arg)
{
	struct cachemode_device *cdev = to_cachemode(core_vdev);
	struct vfio_device_ioeventfd ioeventfd;
	struct cachemode_region *region;
	u64 index;

	if (cmd != VFIO_DEVICE_IOEVENTFD)
		return vfio_pci_core_ioctl(core_vdev, cmd, arg);

	if (copy_from_user(&ioeventfd, (void __user *)arg,
			   offsetofend(struct vfio_device_ioeventfd, fd)))
		return -EFAULT;
	index = VFIO_PCI_OFFSET_TO_INDEX(ioeventfd.offset);
	if (index >= PCI_STD_NUM_BARS)
		return -EINVAL;
	index = array_index_nospec(index, PCI_STD_NUM_BARS);
	region = cdev->regions[index];
	if (test_bit(index, &cdev->hidden) || cachemode_region_emulated(region))
		return -EINVAL;
	if (region)
		return cachemode_ioeventfd_set(region, &ioeventfd);
	/*
	 * The core reads it again, when it may name another BAR; but it has no
	 * mapping of what is ours, and can't get one.
	 */
	return vfio_pci_core_ioctl(core_vdev, cmd, arg);
}

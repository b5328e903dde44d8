// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device memory that is no BAR: firmware says where it is, and is not believed.
 */

#include <linux/ioport.h>
#include <linux/property.h>

#include "cachemode.h"

#define PROPERTY_BASE		"nvidia,gpu-mem-base-pa"
#define PROPERTY_SIZE		"nvidia,gpu-mem-size"

#define DEVMEM_REGION		VFIO_PCI_BAR4_REGION_INDEX
#define CARVE_OUT_REGION	VFIO_PCI_BAR2_REGION_INDEX

/* Designated vendor-specific capability: what is fixed in hardware. */
#define DVSEC_FIXES		3
#define DVSEC_FIXES_WORD	0xa
#define DVSEC_FIXES_CACHED_MIG	BIT(0)

static bool needs_carve_out(struct pci_dev *pdev)
{
	u16 dvsec = pci_find_dvsec_capability(pdev, PCI_VENDOR_ID_NVIDIA,
					      DVSEC_FIXES);
	u16 fixes;

	if (!dvsec)
		return true;
	pci_read_config_word(pdev, dvsec + DVSEC_FIXES_WORD, &fixes);
	return !(fixes & DVSEC_FIXES_CACHED_MIG);
}

static bool overlaps_a_bar(struct pci_dev *pdev, const struct resource *range)
{
	struct pci_dev *other = NULL;
	struct resource *res;

	for_each_pci_dev(other) {
		pci_dev_for_each_resource(other, res) {
			if (resource_type(res) != IORESOURCE_MEM ||
			    !res->parent || !resource_overlaps(res, range))
				continue;
			pci_err(pdev, "firmware: device memory %pR overlaps %pR of %s\n",
				range, res, pci_name(other));
			pci_dev_put(other);
			return true;
		}
	}
	return false;
}

/*
 * memremap() of System RAM succeeds and gives the kernel's own memory away, and
 * request_mem_region() makes itself at home in a BAR that no driver has claimed.
 * So look first.  What the memory map merely calls reserved is where such
 * memory is found on x86.
 */
static bool range_is_free(struct pci_dev *pdev, u64 base, u64 size)
{
	struct resource range = DEFINE_RES_MEM(base, size);

	if (region_intersects(base, size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		pci_err(pdev, "firmware: device memory %pR overlaps System RAM\n",
			&range);
		return false;
	}
	if (overlaps_a_bar(pdev, &range))
		return false;
	if (region_intersects(base, size, IORESOURCE_MEM, IORES_DESC_NONE) !=
	    REGION_DISJOINT &&
	    region_intersects(base, size, IORESOURCE_MEM, IORES_DESC_RESERVED) !=
	    REGION_INTERSECTS) {
		pci_err(pdev, "firmware: device memory %pR overlaps something else, see /proc/iomem\n",
			&range);
		return false;
	}
	return true;
}

/*
 * Show memory as a 64-bit BAR: the next BAR's register is its upper half, so
 * what a physical BAR there would be is out of reach, as is the one at @index.
 */
static int show_region(struct cachemode_device *cdev, unsigned int index,
		       enum cachemode_backing backing, u64 base, u64 size)
{
	struct cachemode_region *region;

	region = cachemode_region_alloc(cdev, index, backing, base, size);
	if (IS_ERR(region))
		return PTR_ERR(region);
	cdev->regions[index] = region;
	__set_bit(index + 1, &cdev->hidden);
	return 0;
}

/**
 * cachemode_devmem_init - find, check and claim a function's device memory
 * @cdev: the device
 *
 * Context: probe; may wait for the memory to come up.
 * Return: 0, also where there is none, or a negative error, with nothing
 * claimed and the reason logged
 */
int cachemode_devmem_init(struct cachemode_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	struct cachemode_split split;
	const char *why;
	u64 base, size;
	int ret;

	if (!device_property_present(&pdev->dev, PROPERTY_BASE) &&
	    !device_property_present(&pdev->dev, PROPERTY_SIZE))
		return 0;
	if (device_property_read_u64(&pdev->dev, PROPERTY_BASE, &base) ||
	    device_property_read_u64(&pdev->dev, PROPERTY_SIZE, &size)) {
		pci_err(pdev, "firmware: %s and %s are not two integers\n",
			PROPERTY_BASE, PROPERTY_SIZE);
		return -EINVAL;
	}

	ret = cachemode_policy_split(base, size, needs_carve_out(pdev),
				     cachemode_phys_max(), &split, &why);
	if (ret) {
		pci_err(pdev, "firmware: device memory at %#llx, %#llx bytes: %s\n",
			base, size, why);
		return ret;
	}
	if (!range_is_free(pdev, base, size))
		return -EBUSY;
	cdev->devmem = request_mem_region(base, size, KBUILD_MODNAME);
	if (!cdev->devmem) {
		pci_err(pdev, "firmware: device memory at %#llx, %#llx bytes: in use by another driver, see /proc/iomem\n",
			base, size);
		return -EBUSY;
	}

	/* Regions live as long as the device: the release callback frees them. */
	ret = show_region(cdev, DEVMEM_REGION, CACHEMODE_BACKING_COHERENT, base,
			  split.usable);
	if (!ret && split.carve_out)
		ret = show_region(cdev, CARVE_OUT_REGION,
				  CACHEMODE_BACKING_CARVE_OUT,
				  base + split.usable, split.carve_out);
	if (!ret)
		ret = cachemode_ready_probe(cdev);
	if (ret)
		cachemode_devmem_exit(cdev);
	return ret;
}

/**
 * cachemode_devmem_exit - undo cachemode_devmem_init()
 * @cdev: the device, closed for good
 */
void cachemode_devmem_exit(struct cachemode_device *cdev)
{
	if (!cdev->devmem)
		return;
	release_mem_region(cdev->devmem->start, resource_size(cdev->devmem));
	cdev->devmem = NULL;
}

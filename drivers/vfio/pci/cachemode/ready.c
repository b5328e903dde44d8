// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets, and when device memory is ready after one.
 */

#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/pm_runtime.h>
#include <linux/sched/signal.h>

#include <uapi/linux/vfio_cachemode_netlink.h>

#include "cachemode.h"

/* Status registers in BAR 0: both read READY when memory can be accessed. */
#define BAR0_LINK_STATUS	0x1498
#define BAR0_TRAINING_STATUS	0x200bc
#define BAR0_STATUS_READY	0xff
#define BAR0_MIN_SIZE		(BAR0_TRAINING_STATUS + sizeof(u32))
#define BAR0_TIMEOUT		30

/* Seconds within which the CXL device must say that its range is valid. */
#define CXL_VALID_TIMEOUT	1

#define POLL_MS			10

/**
 * cachemode_ready_init - find out how device memory says that it is ready
 * @cdev: the device
 */
void cachemode_ready_init(struct cachemode_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;

	init_rwsem(&cdev->reset_lock);
	cdev->cxl_dvsec = pci_find_dvsec_capability(pdev, PCI_VENDOR_ID_CXL,
						    PCI_DVSEC_CXL_DEVICE);
	if (cdev->cxl_dvsec)
		cdev->ready_by = CACHEMODE_READY_CXL;
	else if (pci_resource_flags(pdev, 0) & IORESOURCE_MEM &&
		 pci_resource_len(pdev, 0) >= BAR0_MIN_SIZE)
		cdev->ready_by = CACHEMODE_READY_BAR0;
	else
		cdev->ready_by = CACHEMODE_READY_ALWAYS;
}

/* CXL 3.1, 8.1.3.8.2: memory active timeout, in seconds. */
static unsigned int cxl_active_timeout(u32 range_size_low)
{
	unsigned int field = FIELD_GET(PCI_DVSEC_CXL_MEM_ACTIVE_TIMEOUT,
				       range_size_low);

	return 1U << (2 * min(field, 4U));
}

/*
 * Is memory ready?  @timeout is set to the seconds that it may take at most.
 * A function that does not answer reads all ones, which is not ready.
 */
static bool look(struct cachemode_device *cdev, const void __iomem *bar0,
		 unsigned int *timeout)
{
	u32 status;

	switch (cdev->ready_by) {
	case CACHEMODE_READY_BAR0:
		*timeout = BAR0_TIMEOUT;
		return ioread32(bar0 + BAR0_LINK_STATUS) == BAR0_STATUS_READY &&
		       ioread32(bar0 + BAR0_TRAINING_STATUS) == BAR0_STATUS_READY;
	case CACHEMODE_READY_CXL:
		*timeout = CXL_VALID_TIMEOUT;
		pci_read_config_dword(cdev->core.pdev, cdev->cxl_dvsec +
				      PCI_DVSEC_CXL_RANGE_SIZE_LOW(0), &status);
		if (PCI_POSSIBLE_ERROR(status) ||
		    !(status & PCI_DVSEC_CXL_MEM_INFO_VALID))
			return false;
		*timeout += cxl_active_timeout(status);
		return status & PCI_DVSEC_CXL_MEM_ACTIVE;
	default:
		*timeout = 0;
		return true;
	}
}

/* The time that it may take begins with the next look, and is told once. */
static void start_over(struct cachemode_device *cdev)
{
	cdev->not_ready_since = 0;
	cdev->not_ready_told = false;
}

/*
 * Had the time passed when a look began?  Not when it ended: between the two
 * the CPU may have been away for longer than that.
 */
static bool timed_out(unsigned long began, unsigned long since,
		      unsigned int seconds)
{
	return time_after(began, since + seconds * HZ);
}

/*
 * Look again.  The caller holds memory_lock, and memory is enabled.
 * Returns 0, -EAGAIN or -ETIMEDOUT.
 */
static int poll_ready(struct cachemode_region *region)
{
	struct cachemode_device *cdev = region->cdev;
	const bool memory = cachemode_region_emulated(region);
	const void __iomem *bar0 = NULL;
	unsigned int timeout = BAR0_TIMEOUT;
	unsigned long began;
	bool tell = false;
	int ret = 0;

	/* Only a function with device memory has the status registers. */
	if (memory && cdev->ready_by == CACHEMODE_READY_BAR0) {
		bar0 = cachemode_bar0(cdev);
		if (IS_ERR(bar0))
			return PTR_ERR(bar0);
	}

	down_write(&cdev->reset_lock);
	began = jiffies;
	if (memory && !cdev->ready && !cdev->in_reset)
		cdev->ready = look(cdev, bar0, &timeout);
	if (!cachemode_region_ready(region)) {
		if (!cdev->not_ready_since)
			cdev->not_ready_since = jiffies ?: 1;
		ret = timed_out(began, cdev->not_ready_since, timeout) ?
			-ETIMEDOUT : -EAGAIN;
		tell = ret == -ETIMEDOUT && !cdev->not_ready_told;
		cdev->not_ready_told |= tell;
	}
	up_write(&cdev->reset_lock);
	if (tell)
		pci_err(cdev->core.pdev, "region %u is not ready: %pe\n",
			region->index, ERR_PTR(ret));
	return ret;
}

static int sleep_killable(unsigned int ms)
{
	schedule_timeout_killable(msecs_to_jiffies(ms));
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/**
 * cachemode_region_ready - may the region be accessed?
 * @region: the region of an open device
 *
 * BARs are there as soon as the reset is over, memory behind a link is not.
 *
 * Context: reset_lock is held.
 * Return: true if it may
 */
bool cachemode_region_ready(const struct cachemode_region *region)
{
	const struct cachemode_device *cdev = region->cdev;

	lockdep_assert_held(&cdev->reset_lock);
	return cachemode_region_emulated(region) ? cdev->ready :
						   !cdev->in_reset;
}

/**
 * cachemode_ready_wait - wait until a region is ready after a reset
 * @region: the region of an open device
 * @ms: how long to wait at most
 *
 * Context: process context, memory_lock not held; killable.
 * Return: 0 when it is ready, though another reset may come at any time;
 * -EAGAIN after @ms; -ETIMEDOUT when it took longer than its specification
 * allows; -EINTR when killed; -EIO if memory is disabled or not powered
 */
int cachemode_ready_wait(struct cachemode_region *region, unsigned int ms)
{
	struct cachemode_device *cdev = region->cdev;
	struct vfio_pci_core_device *core = &cdev->core;
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	int ret;

	for (;;) {
		if (down_read_killable(&core->memory_lock))
			return -EINTR;
		ret = __vfio_pci_memory_enabled(core) ? poll_ready(region) :
							-EIO;
		up_read(&core->memory_lock);

		if (ret != -EAGAIN || !time_before(jiffies, end))
			return ret;
		ret = sleep_killable(POLL_MS);
		if (ret)
			return ret;
	}
}

/**
 * cachemode_ready_probe - wait until memory is ready for the first time
 * @cdev: the device, which has device memory
 *
 * Context: probe; killable.
 * Return: 0 or a negative error, which is logged
 */
int cachemode_ready_probe(struct cachemode_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	unsigned long began, since = jiffies;
	void __iomem *bar0 = NULL;
	unsigned int timeout;
	int ret;

	ret = pci_enable_device(pdev);
	if (ret) {
		pci_err(pdev, "can't be enabled: %pe\n", ERR_PTR(ret));
		return ret;
	}
	if (cdev->ready_by == CACHEMODE_READY_BAR0) {
		ret = pci_request_selected_regions(pdev, BIT(0), KBUILD_MODNAME);
		if (ret) {
			pci_err(pdev, "BAR 0 is in use: %pe\n", ERR_PTR(ret));
			goto err_disable;
		}
		bar0 = pci_iomap(pdev, 0, BAR0_MIN_SIZE);
		if (!bar0) {
			ret = -ENOMEM;
			goto err_release_bar0;
		}
	}

	for (;;) {
		began = jiffies;
		if (look(cdev, bar0, &timeout))
			break;
		ret = timed_out(began, since, timeout) ? -ETIMEDOUT :
							 sleep_killable(POLL_MS);
		if (ret) {
			pci_err(pdev, "device memory is not ready: %pe\n",
				ERR_PTR(ret));
			break;
		}
	}

	if (bar0)
		pci_iounmap(pdev, bar0);
err_release_bar0:
	if (cdev->ready_by == CACHEMODE_READY_BAR0)
		pci_release_selected_regions(pdev, BIT(0));
err_disable:
	pci_disable_device(pdev);
	return ret;
}

/**
 * cachemode_ready_recheck - look again before the next access
 * @cdev: the device
 *
 * For what is no reset but may have cost the memory its state.
 */
void cachemode_ready_recheck(struct cachemode_device *cdev)
{
	down_write(&cdev->reset_lock);
	cdev->ready = false;
	start_over(cdev);
	up_write(&cdev->reset_lock);
}

/**
 * cachemode_let_sleep - drop a reference of runtime power management
 * @cdev: the device, for whose region's access it was taken
 *
 * In low power it may sleep then, and what was seen of its memory meanwhile
 * does not hold any more.
 */
void cachemode_let_sleep(struct cachemode_device *cdev)
{
	if (READ_ONCE(cdev->core.pm_runtime_engaged))
		cachemode_ready_recheck(cdev);
	pm_runtime_put(&cdev->core.pdev->dev);
}

/**
 * cachemode_reset_begin - a reset begins: nobody may touch the memory
 * @cdev: the device
 * @reset: which
 *
 * Context: memory_lock is held for writing if VFIO resets, and not if somebody
 * else does.
 */
void cachemode_reset_begin(struct cachemode_device *cdev,
			   enum cachemode_reset reset)
{
	down_write(&cdev->reset_lock);
	cdev->in_reset |= reset;
	cdev->ready = false;
	start_over(cdev);
	up_write(&cdev->reset_lock);
	cachemode_zap(cdev);
}

/**
 * cachemode_reset_end - a reset is over: memory may be used once it is ready, if
 * no other reset is under way
 * @cdev: the device
 * @reset: which
 *
 * Does nothing if none began: an error may be recovered from without one.
 */
void cachemode_reset_end(struct cachemode_device *cdev,
			 enum cachemode_reset reset)
{
	bool was_in_reset;

	down_write(&cdev->reset_lock);
	was_in_reset = cdev->in_reset & reset;
	cdev->in_reset &= ~reset;
	if (was_in_reset)
		start_over(cdev);
	up_write(&cdev->reset_lock);
	/* Open and close reset as well: that is not news. */
	if (was_in_reset && READ_ONCE(cdev->live))
		cachemode_nl_notify(cdev, VFIO_CACHEMODE_CMD_DEV_RESET_NTF);
}

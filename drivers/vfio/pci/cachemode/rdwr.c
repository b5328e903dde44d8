// SPDX-License-Identifier: GPL-2.0-only
/*
 * read() and write() of the regions that we serve.
 */

#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/pm_runtime.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>

#include "cachemode.h"

static bool refuse_rw;
module_param(refuse_rw, bool, 0644);
MODULE_PARM_DESC(refuse_rw, "Refuse read() and write() of cacheable device memory, which can be mapped instead: a CPU that can't recover from reading poison in the kernel (arm64) panics");

/* User memory is copied through a buffer of at most this, without a lock. */
#define BOUNCE_SIZE	SZ_64K

/* How long an access waits for a reset device: longer than any timeout. */
#define READY_WAIT_MS	(600 * MSEC_PER_SEC)

/* The widest naturally aligned access at @offset that fits, at most @max. */
static unsigned int access_width(u64 offset, size_t count, unsigned int max)
{
	unsigned int width = max;

	while (width > count || !IS_ALIGNED(offset, width))
		width /= 2;
	return width;
}

/* Bytes are preserved, so no accessor that swaps; memory has no side order. */
static void io_read(void *buf, const void __iomem *io, unsigned int width)
{
	switch (width) {
	case 8:
		put_unaligned(__raw_readq(io), (u64 *)buf);
		break;
	case 4:
		put_unaligned(__raw_readl(io), (u32 *)buf);
		break;
	case 2:
		put_unaligned(__raw_readw(io), (u16 *)buf);
		break;
	default:
		*(u8 *)buf = __raw_readb(io);
	}
}

static void io_write(const void *buf, void __iomem *io, unsigned int width)
{
	switch (width) {
	case 8:
		__raw_writeq(get_unaligned((const u64 *)buf), io);
		break;
	case 4:
		__raw_writel(get_unaligned((const u32 *)buf), io);
		break;
	case 2:
		__raw_writew(get_unaligned((const u16 *)buf), io);
		break;
	default:
		__raw_writeb(*(const u8 *)buf, io);
	}
}

/**
 * cachemode_area_io - access an area that is not NORMAL
 * @area: the area
 * @offset: within the region
 * @buf: where to, or where from
 * @count: bytes
 * @write: write, or else read
 *
 * Accesses are naturally aligned, in ascending order, and at most as wide as
 * the device takes.  An aligned power of two of bytes is one access, if no
 * wider than that.
 *
 * Context: memory_lock and reset_lock are held, and the region is ready.
 */
void cachemode_area_io(struct cachemode_area *area, u64 offset, u8 *buf,
		       size_t count, bool write)
{
	unsigned int max = min_not_zero(area->max_width, 8U);
	void __iomem *io = area->io + (offset - area->offset);

	if (write)
		wmb();	/* after whatever the caller wrote to memory before */
	while (count) {
		unsigned int width = access_width(offset, count, max);

		if (write)
			io_write(buf, io, width);
		else
			io_read(buf, io, width);
		offset += width;
		io += width;
		buf += width;
		count -= width;
	}
	/*
	 * What the caller does next comes after: write() drains write-combining
	 * buffers, read() has its data.
	 */
	mb();
}

static int access_memory(struct cachemode_area *area, u64 offset, u8 *buf,
			 size_t count, bool write)
{
	void *mem = (void __force *)area->io + (offset - area->offset);

	if (write) {
		memcpy(mem, buf, count);
		return 0;
	}
	/* Poison: x86 recovers from the machine check, others may not. */
	return copy_mc_to_kernel(buf, mem, count) ? -EIO : 0;
}

/*
 * What an area answers that is disabled or not powered: device memory what the
 * bus would, BARs what vfio-pci-core says for those that it serves.
 */
static int access_disabled(struct cachemode_area *area, u8 *buf, size_t count,
			   bool write)
{
	if (!cachemode_region_emulated(area->region))
		return -EIO;
	if (!write)
		memset(buf, 0xff, count);
	return 0;
}

/*
 * One piece, within one area.  Returns 0, or -EAGAIN if memory is not ready, or
 * a negative error.
 */
static int access_area(struct cachemode_area *area, u64 offset, u8 *buf,
		       size_t count, bool write)
{
	struct cachemode_device *cdev = area->region->cdev;
	int ret = 0;

	if (down_read_killable(&cdev->core.memory_lock))
		return -EINTR;
	if (!__vfio_pci_memory_enabled(&cdev->core)) {
		ret = access_disabled(area, buf, count, write);
		goto out_unlock_memory;
	}

	down_read(&cdev->reset_lock);
	if (!cachemode_region_ready(area->region))
		ret = -EAGAIN;
	else if (area->mode == VFIO_MMAP_CACHE_MODE_NORMAL)
		ret = access_memory(area, offset, buf, count, write);
	else
		cachemode_area_io(area, offset, buf, count, write);
	up_read(&cdev->reset_lock);

out_unlock_memory:
	up_read(&cdev->core.memory_lock);
	return ret;
}

/* One piece, wherever: where nothing exists, all ones and dropped writes. */
static int access_piece(struct cachemode_area *area, u64 offset, u8 *buf,
			size_t count, bool write)
{
	int ret;

	if (!area) {
		if (!write)
			memset(buf, 0xff, count);
		return 0;
	}
	if (area->mode == VFIO_MMAP_CACHE_MODE_NORMAL && READ_ONCE(refuse_rw))
		return -EPERM;

	for (;;) {
		ret = access_area(area, offset, buf, count, write);
		if (ret != -EAGAIN)
			return ret;
		ret = cachemode_ready_wait(area->region, READY_WAIT_MS);
		/* Disabled meanwhile: the access itself tells. */
		if (ret && ret != -EIO)
			return ret;
	}
}

static ssize_t rw_region(struct cachemode_region *region, char __user *user,
			 size_t count, loff_t *ppos, bool write)
{
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	size_t done = 0;
	ssize_t ret = 0;
	u8 *bounce;

	if (offset >= region->size)
		return -EINVAL;
	count = min_t(u64, count, region->size - offset);
	bounce = kvmalloc(min_t(size_t, count, BOUNCE_SIZE), GFP_KERNEL_ACCOUNT);
	if (!bounce)
		return -ENOMEM;

	while (done < count) {
		u64 pos = offset + done, end;
		struct cachemode_area *area;
		size_t piece;

		area = cachemode_region_find(region, pos, &end);
		/* Where the buffer's size divides: accesses stay whole. */
		end = min(end, (u64)round_down(pos, BOUNCE_SIZE) + BOUNCE_SIZE);
		piece = min_t(u64, count - done, end - pos);

		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		ret = -EFAULT;
		if (write && copy_from_user(bounce, user + done, piece))
			break;
		ret = access_piece(area, pos, bounce, piece, write);
		if (ret)
			break;
		ret = -EFAULT;
		if (!write && copy_to_user(user + done, bounce, piece))
			break;
		ret = 0;
		done += piece;
		cond_resched();
	}
	kvfree(bounce);

	cachemode_stats_rw(region, done, write);
	*ppos += done;
	return done ?: ret;
}

/* In low power each access wakes the device, as VFIO's uapi has it. */
static ssize_t rw_awake(struct cachemode_region *region, char __user *user,
			size_t count, loff_t *ppos, bool write)
{
	struct cachemode_device *cdev = region->cdev;
	struct device *dev = &cdev->core.pdev->dev;
	ssize_t ret;

	if (pm_runtime_resume_and_get(dev))
		return -EIO;
	ret = rw_region(region, user, count, ppos, write);
	cachemode_let_sleep(cdev);
	return ret;
}

static ssize_t cachemode_rw(struct vfio_device *core_vdev, char __user *buf,
			    size_t count, loff_t *ppos, bool write)
{
	struct cachemode_device *cdev = to_cachemode(core_vdev);
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(*ppos);

	if (!count)
		return 0;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return cachemode_config_rw(cdev, buf, count, ppos, write);
	if (index < PCI_STD_NUM_BARS) {
		index = array_index_nospec(index, PCI_STD_NUM_BARS);
		if (cdev->regions[index])
			return rw_awake(cdev->regions[index], buf, count, ppos,
					write);
		if (test_bit(index, &cdev->hidden))
			return -EINVAL;
	}
	return write ? vfio_pci_core_write(core_vdev, buf, count, ppos) :
		       vfio_pci_core_read(core_vdev, buf, count, ppos);
}

/**
 * cachemode_read - vfio_device_ops.read
 * @core_vdev: the device, open
 * @buf: where to
 * @count: bytes
 * @ppos: region and offset within it
 *
 * Return: bytes done, or a negative error if none
 */
ssize_t cachemode_read(struct vfio_device *core_vdev, char __user *buf,
		       size_t count, loff_t *ppos)
{
	return cachemode_rw(core_vdev, buf, count, ppos, false);
}

/**
 * cachemode_write - vfio_device_ops.write
 * @core_vdev: the device, open
 * @buf: where from
 * @count: bytes
 * @ppos: region and offset within it
 *
 * Return: bytes done, or a negative error if none
 */
ssize_t cachemode_write(struct vfio_device *core_vdev, const char __user *buf,
			size_t count, loff_t *ppos)
{
	return cachemode_rw(core_vdev, (char __user *)buf, count, ppos, true);
}

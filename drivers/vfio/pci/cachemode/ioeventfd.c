// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfds of BARs that we serve: a signal becomes a write to the device.
 */

#include <linux/list.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cachemode.h"

/* As many as vfio-pci-core allows. */
#define MAX_IOEVENTFDS	1000

/**
 * struct cachemode_ioeventfd - one of them
 * @entry: in cachemode_device.ioeventfds
 * @area: where it writes
 * @offset: where it writes, within the region
 * @data: what it writes; the first @width bytes
 * @width: bytes
 * @virqfd: the eventfd's callbacks
 */
struct cachemode_ioeventfd {
	struct list_head entry;
	struct cachemode_area *area;
	u64 offset;
	u64 data;
	unsigned int width;
	struct virqfd *virqfd;
};

/*
 * A device that is off or in reset takes no writes.  The caller holds
 * memory_lock and reset_lock.
 */
static void write_locked(struct cachemode_ioeventfd *ioeventfd)
{
	struct cachemode_region *region = ioeventfd->area->region;

	if (__vfio_pci_memory_enabled(&region->cdev->core) &&
	    cachemode_region_ready(region))
		cachemode_area_io(ioeventfd->area, ioeventfd->offset,
				  (u8 *)&ioeventfd->data, ioeventfd->width,
				  true);
}

/* Atomic context: returns 1 to have the thread do it. */
static int on_signal(void *opaque, void *unused)
{
	struct cachemode_ioeventfd *ioeventfd = opaque;
	struct cachemode_device *cdev = ioeventfd->area->region->cdev;
	int ret = 1;

	if (!down_read_trylock(&cdev->core.memory_lock))
		return ret;
	if (down_read_trylock(&cdev->reset_lock)) {
		write_locked(ioeventfd);
		up_read(&cdev->reset_lock);
		ret = 0;
	}
	up_read(&cdev->core.memory_lock);
	return ret;
}

static void on_signal_thread(void *opaque, void *unused)
{
	struct cachemode_ioeventfd *ioeventfd = opaque;
	struct cachemode_device *cdev = ioeventfd->area->region->cdev;

	down_read(&cdev->core.memory_lock);
	down_read(&cdev->reset_lock);
	write_locked(ioeventfd);
	up_read(&cdev->reset_lock);
	up_read(&cdev->core.memory_lock);
}

static struct cachemode_ioeventfd *
find(struct cachemode_device *cdev, const struct cachemode_ioeventfd *like)
{
	struct cachemode_ioeventfd *pos;

	list_for_each_entry(pos, &cdev->ioeventfds, entry)
		if (pos->area == like->area && pos->offset == like->offset &&
		    pos->data == like->data && pos->width == like->width)
			return pos;
	return NULL;
}

static void remove_one(struct cachemode_device *cdev,
		       struct cachemode_ioeventfd *ioeventfd)
{
	vfio_virqfd_disable(&ioeventfd->virqfd);
	list_del(&ioeventfd->entry);
	cdev->nr_ioeventfds--;
	kfree(ioeventfd);
}

static int add_one(struct cachemode_device *cdev,
		   const struct cachemode_ioeventfd *like, int fd)
{
	struct cachemode_ioeventfd *ioeventfd;
	int ret;

	if (cdev->nr_ioeventfds >= MAX_IOEVENTFDS)
		return -ENOSPC;
	ioeventfd = kmemdup(like, sizeof(*like), GFP_KERNEL_ACCOUNT);
	if (!ioeventfd)
		return -ENOMEM;
	ret = vfio_virqfd_enable(ioeventfd, on_signal, on_signal_thread, NULL,
				 &ioeventfd->virqfd, fd);
	if (ret) {
		kfree(ioeventfd);
		return ret;
	}
	list_add(&ioeventfd->entry, &cdev->ioeventfds);
	cdev->nr_ioeventfds++;
	return 0;
}

/**
 * cachemode_ioeventfd_set - add or remove an ioeventfd
 * @region: the region, of a BAR
 * @arg: what user space asks for, checked by nobody yet
 *
 * Errors are vfio-pci-core's.  It accepts writes that are not naturally
 * aligned; we do not, because they fault on some CPUs.
 *
 * Return: 0 or a negative error
 */
int cachemode_ioeventfd_set(struct cachemode_region *region,
			    const struct vfio_device_ioeventfd *arg)
{
	struct cachemode_device *cdev = region->cdev;
	struct cachemode_ioeventfd like = {
		.offset = arg->offset & VFIO_PCI_OFFSET_MASK,
		.data = arg->data,
		.width = arg->flags,
	}, *old;
	u64 end;
	int ret;

	if (arg->argsz < offsetofend(struct vfio_device_ioeventfd, fd) ||
	    arg->flags & ~VFIO_DEVICE_IOEVENTFD_SIZE_MASK ||
	    hweight32(arg->flags) != 1 || arg->fd < -1)
		return -EINVAL;

	like.area = cachemode_region_find(region, like.offset, &end);
	if (!like.area || like.width > end - like.offset ||
	    !IS_ALIGNED(like.offset, like.width) ||
	    like.width > min_not_zero(like.area->max_width, 8U))
		return -EINVAL;

	mutex_lock(&cdev->ioeventfds_lock);
	old = find(cdev, &like);
	if (arg->fd >= 0)
		ret = old ? -EEXIST : add_one(cdev, &like, arg->fd);
	else
		ret = old ? 0 : -ENODEV;
	if (arg->fd < 0 && old)
		remove_one(cdev, old);
	mutex_unlock(&cdev->ioeventfds_lock);
	return ret;
}

/**
 * cachemode_ioeventfds_remove - remove all ioeventfds
 * @cdev: the device, no longer visible to user space
 */
void cachemode_ioeventfds_remove(struct cachemode_device *cdev)
{
	struct cachemode_ioeventfd *pos, *next;

	list_for_each_entry_safe(pos, next, &cdev->ioeventfds, entry)
		remove_one(cdev, pos);
}

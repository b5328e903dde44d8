/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VFIO device that is one answer to VFIO_DEVICE_GET_REGION_INFO.
 *
 * Programs are linked with -Wl,--wrap=ioctl: the library's ioctl() comes here.
 */
#ifndef VFIOMEM_FAKE_VFIO_H
#define VFIOMEM_FAKE_VFIO_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <linux/vfio.h>
#include <linux/vfio_cachemode.h>

static struct fake_vfio {
	_Alignas(8) uint8_t answer[65536];
	uint32_t size;		/* what argsz says */
	uint32_t grows;		/* how often it is longer at the next call */
	int error;
	unsigned int calls;
} fake;

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct vfio_region_info *info;
	uint32_t room;
	va_list ap;

	(void)fd;
	va_start(ap, request);
	info = va_arg(ap, void *);
	va_end(ap);
	fake.calls++;
	if (request != VFIO_DEVICE_GET_REGION_INFO) {
		errno = ENOTTY;
		return -1;
	}
	if (fake.error) {
		errno = fake.error;
		return -1;
	}
	/* As VFIO does it: all of the capabilities, or none. */
	room = info->argsz;
	if (room < sizeof(*info)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(info, fake.answer, room < fake.size ? sizeof(*info) : fake.size);
	if (room < fake.size)
		info->cap_offset = 0;
	info->argsz = fake.size;
	if (fake.grows) {
		fake.grows--;
		fake.size += 32;
	}
	return 0;
}

#endif /* VFIOMEM_FAKE_VFIO_H */

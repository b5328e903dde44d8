// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of open and of use fails once: each ends in an error or not at
 * all, nothing is left behind, and the next try works.
 *
 * Not those of bind: vfio's own code warns when it cannot create a group.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

#define FAILSLAB	"/sys/kernel/debug/failslab"

/* More allocations than this in one call: the kernel never says "no more". */
#define MANY		3000

/* Have this thread's @n-th allocation fail; 0: none. */
static void fail_nth(int fd, unsigned int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(fd, text, length, 0) != length)
		fatal("fail-nth: %s", strerror(errno));
}

/* Has it?  Then the kernel has counted down to 0. */
static bool has_failed(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		fatal("fail-nth: %s", strerror(errno));
	fail_nth(fd, 0);
	return !atoi(text);
}

FIXTURE(failnth)
{
	struct vfio_device device;
	int nth;		/* open all the time: to open it allocates */
};

FIXTURE_SETUP(failnth)
{
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (self->nth < 0)
		SKIP(return, "the kernel injects no faults: use qemu/vm --kernel debug");
	/* Those that may sleep as well, and without a stack trace for each. */
	ASSERT_EQ(0, write_file(FAILSLAB "/ignore-gfp-wait", "N"));
	ASSERT_EQ(0, write_file(FAILSLAB "/verbose", "0"));
	vfio_bind(gpu_bdf(), driver_name());
}

FIXTURE_TEARDOWN(failnth)
{
	close(self->nth);
}

/* The device is as if nothing had happened. */
static void check_device(struct __test_metadata *_metadata)
{
	struct area areas[MAX_AREAS];
	struct vfio_device device;
	unsigned int i, nr_areas;
	struct ptewalk w;
	void *p;

	vfio_open(&device, gpu_bdf());
	nr_areas = all_areas(device.fd, areas);
	EXPECT_LE(2, nr_areas);
	for (i = 0; i < nr_areas; i++) {
		p = map_area(device.fd, &areas[i], 0, MIB(2), 0);
		walk(p, &w);
		EXPECT_EQ(areas[i].a.mode, w.mode);
		munmap(p, MIB(2));
	}
	vfio_close(&device);
}

TEST_F_TIMEOUT(failnth, open, 300)
{
	unsigned int n;
	int ret;

	for (n = 1; n < MANY; n++) {
		fail_nth(self->nth, n);
		ret = __vfio_open(&self->device, gpu_bdf());
		if (!has_failed(self->nth))
			break;
		if (!ret)
			vfio_close(&self->device);
	}
	ASSERT_EQ(0, ret);
	EXPECT_LT(n, MANY);
	TH_LOG("%u allocations", n - 1);
	vfio_close(&self->device);
	check_device(_metadata);
}

/* One of everything; what fails is left out.  A store may only succeed. */
static void use(int fd, const struct area *area, int event)
{
	struct vfio_device_ioeventfd ioeventfd = {
		.argsz = sizeof(ioeventfd),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.fd = event,
	};
	static char room[4096], data[65536];
	struct vfio_region_info *info = (void *)room;
	void *p;

	info->argsz = sizeof(room);
	info->index = area->region;
	ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info);

	p = mmap(NULL, MIB(2), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 area->base + area->a.offset);
	if (p != MAP_FAILED) {
		*(volatile uint32_t *)p = 0;
		munmap(p, MIB(2));
	}
	if (pread(fd, data, sizeof(data), area->base + area->a.offset) > 0)
		pwrite(fd, data, 16, area->base + area->a.offset);
	ioctl(fd, VFIO_DEVICE_RESET);

	ioeventfd.offset = area->base + area->a.offset;
	if (!ioctl(fd, VFIO_DEVICE_IOEVENTFD, &ioeventfd)) {
		ioeventfd.fd = -1;
		ioctl(fd, VFIO_DEVICE_IOEVENTFD, &ioeventfd);
	}
}

TEST_F_TIMEOUT(failnth, use, 300)
{
	struct area areas[MAX_AREAS];
	unsigned int i, n, nr_areas;
	int event = eventfd(0, EFD_CLOEXEC);

	vfio_open(&self->device, gpu_bdf());
	nr_areas = all_areas(self->device.fd, areas);
	for (i = 0; i < nr_areas; i++) {
		/* Registers that say that memory is ready are not to be lost. */
		if (!areas[i].region)
			areas[i].a.offset += MIB(4);
		use(self->device.fd, &areas[i], event);
		for (n = 1; n < MANY; n++) {
			fail_nth(self->nth, n);
			use(self->device.fd, &areas[i], event);
			if (!has_failed(self->nth))
				break;
		}
		EXPECT_LT(n, MANY);
		TH_LOG("region %u: %u allocations", areas[i].region, n - 1);
	}
	vfio_close(&self->device);
	check_device(_metadata);
}

TEST_HARNESS_MAIN

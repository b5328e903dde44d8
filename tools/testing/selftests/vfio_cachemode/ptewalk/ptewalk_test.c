// SPDX-License-Identifier: GPL-2.0-only
/*
 * ptewalk tells memory types apart where our driver has no part in it: sysfs
 * maps a BAR uncached (resource0) and write-combining (resource0_wc), and the
 * stock vfio-pci maps it uncached.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>
#include <linux/vfio_cachemode.h>

#include "ptewalk.h"
#include "kselftest_harness.h"

#define PCI_DEVICE	"/sys/bus/pci/devices/%s/%s"
#define BAR_SIZE	(16UL << 20)

#ifdef __x86_64__
#define SYSFS_TYPE	"UC-"
#define VFIO_PCI_TYPE	"UC-"
#define COMBINING_TYPE	"WC"
#else
#define SYSFS_TYPE	"Device-nGnRE"
#define VFIO_PCI_TYPE	"Device-nGnRnE"
#define COMBINING_TYPE	"Normal-NC"
#endif

FIXTURE(ptewalk) {
	int fd;
	uint64_t bar;		/* physical address of BAR 0 */
};

FIXTURE_SETUP(ptewalk)
{
	char path[128];
	FILE *f;

	self->fd = open(PTEWALK_DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
	snprintf(path, sizeof(path), PCI_DEVICE, getenv("GPU"), "resource");
	f = fopen(path, "r");
	ASSERT_NE(NULL, f);
	ASSERT_EQ(1, fscanf(f, "%" SCNx64, &self->bar));
	fclose(f);
}

FIXTURE_TEARDOWN(ptewalk)
{
	close(self->fd);
}

static int walk(int fd, volatile void *p, struct ptewalk *entry)
{
	*entry = (struct ptewalk) { .address = (uintptr_t)p };
	return ioctl(fd, PTEWALK_USER, entry) ? -errno : 0;
}

static void *map_resource(const char *name)
{
	char path[128];
	void *p;
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICE, getenv("GPU"), name);
	fd = open(path, O_RDWR);
	p = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p;
}

TEST_F(ptewalk, uncached)
{
	struct ptewalk entry;
	char *p = map_resource("resource0");

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, walk(self->fd, p + 0x3004, &entry));
	EXPECT_STREQ(SYSFS_TYPE, entry.type);
	EXPECT_EQ(self->bar + 0x3004, entry.phys);
	EXPECT_EQ(4096, entry.size);
	EXPECT_EQ(1, entry.writable);
}

TEST_F(ptewalk, write_combining)
{
	struct ptewalk entry;
	char *p = map_resource("resource0_wc");

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, walk(self->fd, p, &entry));
	EXPECT_STREQ(COMBINING_TYPE, entry.type);
	EXPECT_EQ(VFIO_MMAP_CACHE_MODE_WRITECOMBINE, entry.mode);
}

TEST_F(ptewalk, stock_vfio_pci)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	char path[64], link[128], *base;
	int container, group, device;
	struct ptewalk entry;
	volatile char *p;
	ssize_t n;

	snprintf(path, sizeof(path), PCI_DEVICE, getenv("GPU"), "iommu_group");
	n = readlink(path, link, sizeof(link) - 1);
	ASSERT_LT(0, n);
	link[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	container = open("/dev/vfio/vfio", O_RDWR);
	group = open(path, O_RDWR);
	ASSERT_EQ(0, ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	ASSERT_EQ(0, ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, getenv("GPU"));
	ASSERT_LE(0, device);
	ASSERT_EQ(0, ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));

	/* An address that a 2 MiB entry fits, and one that none fits. */
	base = mmap(NULL, 3 * BAR_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	base = (char *)(((uintptr_t)base + BAR_SIZE - 1) & ~(BAR_SIZE - 1));
	p = mmap(base, BAR_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, device,
		 info.offset);
	ASSERT_NE(MAP_FAILED, (void *)p);
	EXPECT_EQ(-ENOENT, walk(self->fd, p, &entry));
	(void)*p;
	ASSERT_EQ(0, walk(self->fd, p + 0x1004, &entry));
	EXPECT_EQ(self->bar + 0x1004, entry.phys);
	EXPECT_STREQ(VFIO_PCI_TYPE, entry.type);
	EXPECT_EQ(2 << 20, entry.size);
	EXPECT_EQ(0, entry.writable);
	EXPECT_EQ(VFIO_MMAP_CACHE_MODE_NONCACHED, entry.mode);

	p = mmap(base + 4096, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, device,
		 info.offset);
	ASSERT_NE(MAP_FAILED, (void *)p);
	(void)*p;
	ASSERT_EQ(0, walk(self->fd, p + 8, &entry));
	EXPECT_EQ(4096, entry.size);
	EXPECT_EQ(self->bar + 8, entry.phys);
	EXPECT_STREQ(VFIO_PCI_TYPE, entry.type);
}

TEST_F(ptewalk, no_pfn_mapping)
{
	struct ptewalk entry;
	volatile int on_stack = 0;

	EXPECT_EQ(-EINVAL, walk(self->fd, &on_stack, &entry));
	EXPECT_EQ(-EFAULT, walk(self->fd, NULL, &entry));
	EXPECT_EQ(-EFAULT, walk(self->fd, (void *)-4096UL, &entry));
	EXPECT_EQ(-1, ioctl(self->fd, PTEWALK_USER, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IO('w', 0), &entry));
	EXPECT_EQ(ENOTTY, errno);
}

/* The kernel maps the IOMMU's or interrupt controller's registers. */
TEST_F(ptewalk, kernel_mapping)
{
#ifdef __x86_64__
	struct ptewalk entry = { .phys = 0xfed90000 };	/* intel-iommu */
#else
	struct ptewalk entry = { .phys = 0x08000000 };	/* GICv3 */
#endif
	uint64_t phys = entry.phys;

	ASSERT_EQ(0, ioctl(self->fd, PTEWALK_KERNEL, &entry));
	EXPECT_EQ(phys, entry.phys);
	EXPECT_NE(0, entry.address);
	EXPECT_STREQ(SYSFS_TYPE, entry.type);

	entry = (struct ptewalk) { .phys = 0xdeadbeef000 };
	EXPECT_EQ(-1, ioctl(self->fd, PTEWALK_KERNEL, &entry));
	EXPECT_EQ(ENOENT, errno);
}

TEST_HARNESS_MAIN

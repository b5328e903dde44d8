// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's own character device and iommufd: what is there before and after
 * each step, and that a device has one owner, who may die at any time.
 *
 * (All other tests go this way as well if VFIO_TEST_CDEV is set.)
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

FIXTURE(cdev)
{
	int iommufd;
	int fd;
};

FIXTURE_SETUP(cdev)
{
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (self->iommufd < 0)
		SKIP(return, "the kernel has no iommufd: use qemu/vm --kernel debug");
	vfio_bind(gpu_bdf(), driver_name());
	self->fd = __vfio_open_cdev(gpu_bdf());
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(cdev)
{
	close(self->fd);
	close(self->iommufd);
}

static int bind_to(int fd, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommufd,
	};

	return ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) ? -errno : 0;
}

static unsigned int new_ioas(int iommufd)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		fatal("IOMMU_IOAS_ALLOC: %s", strerror(errno));
	return alloc.out_ioas_id;
}

static int attach(int fd, unsigned int ioas)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = ioas,
	};

	return ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

static int detach(int fd)
{
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
	};

	return ioctl(fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach) ? -errno : 0;
}

/* Every area is reported as its page tables have it, and can be accessed. */
static void check_areas(struct __test_metadata *_metadata, int fd)
{
	struct area areas[MAX_AREAS];
	unsigned int i, nr_areas = all_areas(fd, areas);

	EXPECT_LE(2, nr_areas);
	for (i = 0; i < nr_areas; i++) {
		volatile uint64_t *p = map_area(fd, &areas[i], 0, MIB(2), 0);
		struct ptewalk w;
		uint64_t v;

		walk(p, &w);
		EXPECT_EQ(areas[i].a.mode, w.mode);
		EXPECT_EQ(MIB(2), w.size);
		*p = i + 1;
		EXPECT_EQ(8, pread(fd, &v, 8, areas[i].base + areas[i].a.offset));
		EXPECT_EQ(i + 1, v);
		munmap((void *)p, MIB(2));
	}
}

TEST_F(cdev, has_nothing_before_bind)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_BAR4_REGION_INDEX,
	};
	uint64_t v;

	EXPECT_EQ(-1, ioctl(self->fd, VFIO_DEVICE_GET_REGION_INFO, &info));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(self->fd, &v, 8, 4ULL << 40));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->fd,
				   4ULL << 40));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-EINVAL, attach(self->fd, new_ioas(self->iommufd)));
}

TEST_F(cdev, areas_need_no_address_space)
{
	ASSERT_EQ(0, bind_to(self->fd, self->iommufd));
	check_areas(_metadata, self->fd);
}

TEST_F(cdev, attach_and_detach)
{
	unsigned int first = new_ioas(self->iommufd);
	unsigned int second = new_ioas(self->iommufd);

	ASSERT_EQ(0, bind_to(self->fd, self->iommufd));
	EXPECT_EQ(-EINVAL, bind_to(self->fd, self->iommufd));
	EXPECT_EQ(-ENOENT, attach(self->fd, second + 1000));
	ASSERT_EQ(0, attach(self->fd, first));
	check_areas(_metadata, self->fd);
	/* Replaces the first. */
	ASSERT_EQ(0, attach(self->fd, second));
	check_areas(_metadata, self->fd);
	ASSERT_EQ(0, detach(self->fd));
	check_areas(_metadata, self->fd);
	ASSERT_EQ(0, attach(self->fd, first));
	ASSERT_EQ(0, ioctl(self->fd, VFIO_DEVICE_RESET));
	check_areas(_metadata, self->fd);
}

TEST_F(cdev, pasids_and_tokens_are_refused)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = self->iommufd,
	};
	struct {
		/* struct vfio_device_attach_iommufd_pt, as newer kernels have it */
		__u32 argsz;
		__u32 flags;
		__u32 pt_id;
		__u32 pasid;
	} attach = {
		.argsz = sizeof(attach),
		.flags = 1,
		.pt_id = new_ioas(self->iommufd),
		.pasid = 1,
	};

	/* With a token in a struct that has no room for one. */
	bind.flags = 1;
	EXPECT_EQ(-1, ioctl(self->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	ASSERT_EQ(0, bind_to(self->fd, self->iommufd));
	EXPECT_EQ(-1, ioctl(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	check_areas(_metadata, self->fd);
}

/* The group and the character device lock each other out. */
TEST_F(cdev, or_group)
{
	struct vfio_device device;
	int second;

	unsetenv("VFIO_TEST_CDEV");
	ASSERT_EQ(0, __vfio_open(&device, gpu_bdf()));
	EXPECT_EQ(-EBUSY, bind_to(self->fd, self->iommufd));
	vfio_close(&device);

	ASSERT_EQ(0, bind_to(self->fd, self->iommufd));
	EXPECT_EQ(-EBUSY, __vfio_open(&device, gpu_bdf()));
	second = __vfio_open_cdev(gpu_bdf());
	ASSERT_LE(0, second);
	EXPECT_EQ(-EINVAL, bind_to(second, self->iommufd));
	close(self->fd);

	ASSERT_EQ(0, bind_to(second, self->iommufd));
	check_areas(_metadata, second);
	self->fd = second;
}

/* The device keeps what it needs of an iommufd that is closed. */
TEST_F(cdev, outlives_iommufd)
{
	struct area area;
	volatile uint64_t *p;

	ASSERT_EQ(0, bind_to(self->fd, self->iommufd));
	ASSERT_EQ(0, attach(self->fd, new_ioas(self->iommufd)));
	ASSERT_TRUE(memory_area(self->fd, VFIO_MMAP_CACHE_MODE_NORMAL, &area));
	p = map_area(self->fd, &area, 0, MIB(2), 0);
	close(self->iommufd);
	self->iommufd = -1;
	check_areas(_metadata, self->fd);
	*p = 7;
	close(self->fd);
	self->fd = -1;
	/* The mapping holds the device open. */
	EXPECT_EQ(0, access_signal(load64, p, 0));
	EXPECT_EQ(7, *p);
	munmap((void *)p, MIB(2));
}

TEST_F(cdev, killed_owner)
{
	struct area area;
	unsigned int i;
	int status;
	pid_t pid;

	close(self->fd);
	for (i = 0; i < 3; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			self->fd = __vfio_open_cdev(gpu_bdf());
			if (!bind_to(self->fd, self->iommufd) &&
			    !attach(self->fd, new_ioas(self->iommufd)) &&
			    memory_area(self->fd, VFIO_MMAP_CACHE_MODE_NORMAL,
					&area))
				store64(map_area(self->fd, &area, 0, MIB(4), 0),
					1);
			raise(SIGKILL);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	self->fd = __vfio_open_cdev(gpu_bdf());
	ASSERT_EQ(0, bind_to(self->fd, self->iommufd));
	check_areas(_metadata, self->fd);
}

/* A neighbour's DMA into a BAR, by dma-buf, until the BAR is reset. */
TEST_F(cdev, dma_buf_of_a_bar)
{
	struct {
		/* struct iommu_ioas_map_file, newer than our headers */
		__u32 size;
		__u32 flags;
		__u32 ioas_id;
		__s32 fd;
		__aligned_u64 start;
		__aligned_u64 length;
		__aligned_u64 iova;
	} map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = new_ioas(self->iommufd),
		.length = MIB(1),
		.iova = MIB(16),
	};
	int edu;

	vfio_bind(edu_bdf(), driver_name());
	edu = __vfio_open_cdev(edu_bdf());
	ASSERT_LE(0, edu);
	ASSERT_EQ(0, bind_to(edu, self->iommufd));
	ASSERT_EQ(0, bind_to(self->fd, self->iommufd));
	ASSERT_EQ(0, attach(self->fd, map.ioas_id));

	map.fd = __dma_buf(edu, VFIO_PCI_BAR0_REGION_INDEX, MIB(1));
	ASSERT_LE(0, map.fd);
	ASSERT_EQ(0, ioctl(self->iommufd, _IO(IOMMUFD_TYPE, 0x8f), &map));
	check_areas(_metadata, self->fd);
	set_memory_enable(edu, false);
	set_memory_enable(edu, true);
	close(edu);
	close(map.fd);
	EXPECT_EQ(0, detach(self->fd));
}

TEST_HARNESS_MAIN

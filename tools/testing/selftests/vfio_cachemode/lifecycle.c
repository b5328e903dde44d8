// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open, close, bind, unbind and module removal, in every order that an operator
 * and a VMM can bring about together.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

/* Lines of /proc/iomem that cover device memory, as one text. */
static char *memory_map(void)
{
	static const size_t room = 65536;
	char *text = calloc(1, room);
	FILE *f = fopen("/proc/iomem", "re");

	if (!f || !fread(text, 1, room - 1, f))
		fatal("/proc/iomem");
	fclose(f);
	return text;
}

static bool same_iomem(char *a, char *b)
{
	bool same = !strcmp(a, b);

	free(b);
	return same;
}

TEST(open_and_close)
{
	struct vfio_device device;
	struct area area;
	unsigned int i;
	uint64_t v;

	vfio_bind(gpu_bdf(), driver_name());
	for (i = 0; i < 10; i++) {
		vfio_open(&device, gpu_bdf());
		ASSERT_TRUE(memory_area(device.fd, VFIO_MMAP_CACHE_MODE_NORMAL,
					&area));
		v = i;
		EXPECT_EQ(8, pwrite(device.fd, &v, 8, area.base));
		EXPECT_EQ(8, pread(device.fd, &v, 8, area.base));
		EXPECT_EQ(i, v);
		vfio_close(&device);
	}
}

/* A second fd of the open device: same memory, and it outlives the first. */
TEST(two_fds)
{
	struct vfio_device device;
	struct area area;
	uint64_t v = 0x1234;
	int second;

	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&device, gpu_bdf());
	if (device.group < 0)
		SKIP(return, "a character device is opened once");
	ASSERT_TRUE(memory_area(device.fd, VFIO_MMAP_CACHE_MODE_NORMAL, &area));
	second = ioctl(device.group, VFIO_GROUP_GET_DEVICE_FD, gpu_bdf());
	ASSERT_LE(0, second);
	EXPECT_EQ(8, pwrite(device.fd, &v, 8, area.base));
	close(device.fd);
	v = 0;
	EXPECT_EQ(8, pread(second, &v, 8, area.base));
	EXPECT_EQ(0x1234, v);
	device.fd = second;
	vfio_close(&device);
}

TEST(owner_is_exclusive)
{
	struct vfio_device device, other;

	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&device, gpu_bdf());
	EXPECT_EQ(device.group < 0 ? -EINVAL : -EBUSY,
		  __vfio_open(&other, gpu_bdf()));
	vfio_close(&device);
}

/*
 * The range is claimed while bound and given back, bind after bind; memory
 * keeps what was written.
 */
TEST(bind_and_unbind)
{
	struct vfio_device device;
	char *unbound, *bound;
	struct area area;
	unsigned int i;
	uint64_t v;

	vfio_bind(gpu_bdf(), NULL);
	unbound = memory_map();
	vfio_bind(gpu_bdf(), driver_name());
	bound = memory_map();
	EXPECT_NE(0, strcmp(unbound, bound));
	for (i = 0; i < 5; i++) {
		vfio_bind(gpu_bdf(), NULL);
		EXPECT_TRUE(same_iomem(unbound, memory_map()));
		vfio_bind(gpu_bdf(), driver_name());
		EXPECT_TRUE(same_iomem(bound, memory_map()));
		vfio_open(&device, gpu_bdf());
		ASSERT_TRUE(memory_area(device.fd, VFIO_MMAP_CACHE_MODE_NORMAL,
					&area));
		if (i) {
			EXPECT_EQ(8, pread(device.fd, &v, 8, area.base + 64));
			EXPECT_EQ(i, v);
		}
		v = i + 1;
		EXPECT_EQ(8, pwrite(device.fd, &v, 8, area.base + 64));
		vfio_close(&device);
	}
	EXPECT_TRUE(same_iomem(bound, memory_map()));
	free(unbound);
	free(bound);
}

/* Whoever has it open is asked to give it back, if they gave an eventfd. */
TEST(unbind_asks_the_user)
{
	struct {
		struct vfio_irq_set set;
		__s32 fd;
	} irq = {
		.set = {
			.argsz = sizeof(irq),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_REQ_IRQ_INDEX,
			.count = 1,
		},
		.fd = eventfd(0, EFD_CLOEXEC),
	};
	struct pollfd asked = { .fd = irq.fd, .events = POLLIN };
	struct vfio_device device;
	int status;
	pid_t pid;

	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&device, gpu_bdf());
	ASSERT_EQ(0, ioctl(device.fd, VFIO_DEVICE_SET_IRQS, &irq));
	EXPECT_EQ(0, poll(&asked, 1, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		vfio_close(&device);
		_exit(__vfio_bind(gpu_bdf(), NULL) ? 1 : 0);
	}
	EXPECT_EQ(1, poll(&asked, 1, 120000));
	vfio_close(&device);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(irq.fd);
	vfio_bind(gpu_bdf(), driver_name());
}

/* Unbinding waits for the last close, and the mapping is a use as well. */
TEST(unbind_waits_for_close)
{
	struct vfio_device device;
	struct area area;
	volatile uint64_t *p;
	char bound[64];
	int status;
	pid_t pid;

	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&device, gpu_bdf());
	ASSERT_TRUE(memory_area(device.fd, VFIO_MMAP_CACHE_MODE_NORMAL, &area));
	p = map_area(device.fd, &area, 0, 4096, 0);
	*p = 5;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		munmap((void *)p, 4096);
		vfio_close(&device);
		_exit(__vfio_bind(gpu_bdf(), NULL) ? 1 : 0);
	}
	usleep(300000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, access_signal(load64, p, 0));
	EXPECT_EQ(5, *p);
	vfio_close(&device);
	usleep(100000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, access_signal(load64, p, 0));
	munmap((void *)p, 4096);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	vfio_bound(gpu_bdf(), bound, sizeof(bound));
	EXPECT_STREQ("", bound);
	vfio_bind(gpu_bdf(), driver_name());
}

TEST(module_in_use_stays)
{
	struct vfio_device device;
	char name[64], *p;

	snprintf(name, sizeof(name), "%s", driver_name());
	for (p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&device, gpu_bdf());
	EXPECT_EQ(-1, syscall(SYS_delete_module, name, O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	vfio_close(&device);
}

/* A process that dies with everything open and mapped leaves nothing behind. */
TEST(killed_user)
{
	struct vfio_device device;
	struct area area;
	unsigned int i;
	int status;
	pid_t pid;

	vfio_bind(gpu_bdf(), driver_name());
	for (i = 0; i < 3; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			vfio_open(&device, gpu_bdf());
			if (memory_area(device.fd, VFIO_MMAP_CACHE_MODE_NORMAL,
					&area))
				store64(map_area(device.fd, &area, 0, MIB(4),
						 0), 1);
			raise(SIGKILL);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	vfio_open(&device, gpu_bdf());
	vfio_close(&device);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this driver does not change is as on vfio-pci: a plain edu is used
 * through both, and gives the same.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/pci_regs.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

/* QEMU's docs/specs/edu.rst */
#define EDU_ID			0x00
#define EDU_LIVENESS		0x04
#define EDU_FACTORIAL		0x08
#define EDU_STATUS		0x20
#define EDU_IRQ_STATUS		0x24
#define EDU_IRQ_RAISE		0x60
#define EDU_IRQ_ACK		0x64
#define EDU_DMA_SRC		0x80
#define EDU_DMA_DST		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_CMD		0x98
#define EDU_DMA_BUFFER		0x40000
#define EDU_DMA_RUN		1
#define EDU_DMA_FROM_DEVICE	2

FIXTURE(edu)
{
	struct vfio_device device;
	volatile char *registers;
};

static uint32_t get(volatile char *registers, unsigned int where)
{
	return *(volatile uint32_t *)(registers + where);
}

static void put(volatile char *registers, unsigned int where, uint32_t value)
{
	*(volatile uint32_t *)(registers + where) = value;
}

static void put64(volatile char *registers, unsigned int where, uint64_t value)
{
	*(volatile uint64_t *)(registers + where) = value;
}

FIXTURE_VARIANT(edu)
{
	const char *driver;
};

FIXTURE_VARIANT_ADD(edu, stock) { .driver = "vfio-pci" };
FIXTURE_VARIANT_ADD(edu, ours) { .driver = NULL };

static const char *variant_driver(const char *driver)
{
	return driver ? driver : driver_name();
}

FIXTURE_SETUP(edu)
{
	struct vfio_region_info *info;

	vfio_bind(edu_bdf(), variant_driver(variant->driver));
	vfio_open(&self->device, edu_bdf());
	info = region_info(self->device.fd, VFIO_PCI_BAR0_REGION_INDEX);
	ASSERT_EQ(MIB(1), info->size);
	self->registers = mmap(NULL, info->size, PROT_READ | PROT_WRITE,
			       MAP_SHARED, self->device.fd, info->offset);
	ASSERT_NE(MAP_FAILED, self->registers);
	free(info);
	ASSERT_EQ(0xed, get(self->registers, EDU_ID) & 0xff);
}

FIXTURE_TEARDOWN(edu)
{
	munmap((void *)self->registers, MIB(1));
	vfio_close(&self->device);
}

TEST_F(edu, capability_is_ours_alone)
{
	const struct vfio_mmap_cache_area *a;
	struct vfio_region_info *info;
	unsigned int index;

	for (index = 0; index < VFIO_PCI_NUM_REGIONS; index++) {
		info = region_info(self->device.fd, index);
		if (!info)
			continue;
		EXPECT_EQ(!variant->driver &&
			  index == VFIO_PCI_BAR0_REGION_INDEX,
			  !!mode_cap(info));
		free(info);
	}
	if (variant->driver)
		return;
	/* Registers: what may be repeated or merged is for memory. */
	info = region_info(self->device.fd, VFIO_PCI_BAR0_REGION_INDEX);
	a = mode_area(mode_cap(info), 0);
	EXPECT_EQ(1, mode_cap(info)->nr_areas);
	EXPECT_EQ(0, a->offset);
	EXPECT_EQ(info->size, a->size);
	EXPECT_EQ(VFIO_MMAP_CACHE_MODE_NONCACHED, a->mode);
	EXPECT_EQ(0, a->access & ~(VFIO_MMAP_ACCESS_UNALIGNED |
				   VFIO_MMAP_ACCESS_VECTOR));
#ifdef __aarch64__
	EXPECT_EQ(0, a->access & VFIO_MMAP_ACCESS_UNALIGNED);
#endif
	free(info);
}

TEST_F(edu, computes)
{
	put(self->registers, EDU_LIVENESS, 0x12345678);
	EXPECT_EQ(~0x12345678U, get(self->registers, EDU_LIVENESS));
	put(self->registers, EDU_FACTORIAL, 10);
	while (get(self->registers, EDU_STATUS) & 1)
		;
	EXPECT_EQ(3628800, get(self->registers, EDU_FACTORIAL));
}

TEST_F(edu, reads_and_writes_registers)
{
	struct vfio_region_info *info;
	uint32_t v = 0x0badcafe;

	info = region_info(self->device.fd, VFIO_PCI_BAR0_REGION_INDEX);
	EXPECT_EQ(4, pwrite(self->device.fd, &v, 4,
			    info->offset + EDU_LIVENESS));
	EXPECT_EQ(4, pread(self->device.fd, &v, 4,
			   info->offset + EDU_LIVENESS));
	EXPECT_EQ(~0x0badcafeU, v);
	free(info);
}

/* Set, or with fd -1 drop, the eventfd of an interrupt. */
static int set_irq(int fd, unsigned int index, int event)
{
	struct {
		struct vfio_irq_set set;
		__s32 fd;
	} irq = {
		.set = {
			.argsz = sizeof(irq),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = index,
			.count = 1,
		},
		.fd = event,
	};

	if (event < 0) {
		irq.set.argsz = sizeof(irq.set);
		irq.set.flags = VFIO_IRQ_SET_DATA_NONE |
				VFIO_IRQ_SET_ACTION_TRIGGER;
		irq.set.count = 0;
	}
	return ioctl(fd, VFIO_DEVICE_SET_IRQS, &irq) ? -errno : 0;
}

static int unmask_intx(int fd)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};

	return ioctl(fd, VFIO_DEVICE_SET_IRQS, &set) ? -errno : 0;
}

/* Interrupts counted within a time. */
static uint64_t interrupts(int event, int ms)
{
	struct pollfd poll_event = { .fd = event, .events = POLLIN };
	uint64_t n = 0;

	if (poll(&poll_event, 1, ms) == 1 && read(event, &n, 8) != 8)
		return 0;
	return n;
}

TEST_F(edu, intx)
{
	int event = eventfd(0, EFD_CLOEXEC);
	unsigned int round;

	ASSERT_EQ(0, set_irq(self->device.fd, VFIO_PCI_INTX_IRQ_INDEX, event));
	for (round = 0; round < 3; round++) {
		EXPECT_EQ(0, interrupts(event, 20));
		put(self->registers, EDU_IRQ_RAISE, 1);
		EXPECT_EQ(1, interrupts(event, 120000));
		/* Masked until told otherwise, though the line is still up. */
		EXPECT_EQ(0, interrupts(event, 20));
		put(self->registers, EDU_IRQ_ACK, 1);
		EXPECT_EQ(0, get(self->registers, EDU_IRQ_STATUS));
		ASSERT_EQ(0, unmask_intx(self->device.fd));
	}
	ASSERT_EQ(0, set_irq(self->device.fd, VFIO_PCI_INTX_IRQ_INDEX, -1));
	close(event);
}

TEST_F(edu, msi)
{
	int event = eventfd(0, EFD_CLOEXEC);
	uint64_t command = config_read(self->device.fd, PCI_COMMAND, 2);
	unsigned int round;

	config_write(self->device.fd, PCI_COMMAND, 2,
		     command | PCI_COMMAND_MASTER);
	ASSERT_EQ(0, set_irq(self->device.fd, VFIO_PCI_MSI_IRQ_INDEX, event));
	for (round = 0; round < 3; round++) {
		put(self->registers, EDU_IRQ_RAISE, 1);
		EXPECT_EQ(1, interrupts(event, 120000));
		put(self->registers, EDU_IRQ_ACK, 1);
		EXPECT_EQ(0, interrupts(event, 20));
	}
	ASSERT_EQ(0, set_irq(self->device.fd, VFIO_PCI_MSI_IRQ_INDEX, -1));
	close(event);
}

/* Through the IOMMU: memory to the device and back. */
TEST_F(edu, dma)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = 0x100000,
		.size = 0x10000,
	};
	uint64_t command = config_read(self->device.fd, PCI_COMMAND, 2);
	unsigned char *memory;
	unsigned int i;

	memory = mmap(NULL, map.size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, memory);
	map.vaddr = (uintptr_t)memory;
	ASSERT_EQ(0, ioctl(self->device.container, VFIO_IOMMU_MAP_DMA, &map));
	config_write(self->device.fd, PCI_COMMAND, 2,
		     command | PCI_COMMAND_MASTER);
	for (i = 0; i < 1024; i++)
		memory[i] = i * 7;
	put64(self->registers, EDU_DMA_SRC, map.iova);
	put64(self->registers, EDU_DMA_DST, EDU_DMA_BUFFER);
	put64(self->registers, EDU_DMA_COUNT, 1024);
	put64(self->registers, EDU_DMA_CMD, EDU_DMA_RUN);
	while (get(self->registers, EDU_DMA_CMD) & EDU_DMA_RUN)
		usleep(1000);
	put64(self->registers, EDU_DMA_SRC, EDU_DMA_BUFFER);
	put64(self->registers, EDU_DMA_DST, map.iova + 4096);
	put64(self->registers, EDU_DMA_CMD, EDU_DMA_RUN | EDU_DMA_FROM_DEVICE);
	while (get(self->registers, EDU_DMA_CMD) & EDU_DMA_RUN)
		usleep(1000);
	EXPECT_EQ(0, memcmp(memory, memory + 4096, 1024));
	EXPECT_EQ(7, memory[4097]);
	munmap(memory, map.size);
}

/*
 * Straight into the GPU's memory, as a VMM allows for peer-to-peer: the IOMMU
 * maps what the GPU's mapping shows.
 */
TEST_F(edu, dma_into_device_memory)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = 0x1000000,
		.size = MIB(4),
	};
	uint64_t command = config_read(self->device.fd, PCI_COMMAND, 2);
	struct vfio_device gpu;
	volatile uint64_t *p;
	struct area area;
	unsigned int i;

	if (self->device.group < 0)
		SKIP(return, "iommufd maps no memory without struct pages");
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&gpu, gpu_bdf());
	ASSERT_TRUE(memory_area(gpu.fd, VFIO_MMAP_CACHE_MODE_NORMAL, &area));
	p = map_area(gpu.fd, &area, 0, map.size, 0);
	map.vaddr = (uintptr_t)p;
	ASSERT_EQ(0, ioctl(self->device.container, VFIO_IOMMU_MAP_DMA, &map));
	config_write(self->device.fd, PCI_COMMAND, 2,
		     command | PCI_COMMAND_MASTER);
	for (i = 0; i < 512; i++) {
		p[i] = i * 3;
		p[MIB(3) / 8 + i] = 0;
	}
	put64(self->registers, EDU_DMA_SRC, map.iova);
	put64(self->registers, EDU_DMA_DST, EDU_DMA_BUFFER);
	put64(self->registers, EDU_DMA_COUNT, 4096);
	put64(self->registers, EDU_DMA_CMD, EDU_DMA_RUN);
	while (get(self->registers, EDU_DMA_CMD) & EDU_DMA_RUN)
		usleep(1000);
	put64(self->registers, EDU_DMA_SRC, EDU_DMA_BUFFER);
	put64(self->registers, EDU_DMA_DST, map.iova + MIB(3));
	put64(self->registers, EDU_DMA_CMD, EDU_DMA_RUN | EDU_DMA_FROM_DEVICE);
	while (get(self->registers, EDU_DMA_CMD) & EDU_DMA_RUN)
		usleep(1000);
	for (i = 0; i < 512; i++)
		EXPECT_EQ(i * 3, p[MIB(3) / 8 + i]);
	munmap((void *)p, map.size);
	vfio_close(&gpu);
}

TEST_F(edu, reset)
{
	put(self->registers, EDU_LIVENESS, 1);
	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(0xed, get(self->registers, EDU_ID) & 0xff);
}

TEST_F(edu, ioeventfd)
{
	struct vfio_device_ioeventfd ioeventfd = {
		.argsz = sizeof(ioeventfd),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.data = 0x600df00d,
		.fd = eventfd(0, EFD_CLOEXEC),
	};
	struct vfio_region_info *info;
	uint64_t one = 1;
	unsigned int tries;

	info = region_info(self->device.fd, VFIO_PCI_BAR0_REGION_INDEX);
	ioeventfd.offset = info->offset + EDU_LIVENESS;
	free(info);
	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_IOEVENTFD,
			   &ioeventfd));
	ASSERT_EQ(8, write(ioeventfd.fd, &one, 8));
	for (tries = 0; tries < 120000; tries++) {
		if (get(self->registers, EDU_LIVENESS) == ~0x600df00dU)
			break;
		usleep(1000);
	}
	EXPECT_EQ(~0x600df00dU, get(self->registers, EDU_LIVENESS));
	close(ioeventfd.fd);
}

/* All that can be asked without a change, as one record. */
struct answers {
	struct vfio_device_info device;
	struct vfio_region_info regions[VFIO_PCI_NUM_REGIONS];
	struct vfio_irq_info irqs[VFIO_PCI_NUM_IRQS];
	int errors[32];
	unsigned char config[256];
};

static int error_of(bool failed)
{
	return failed ? errno : 0;
}

static int mmap_error(int fd, size_t size, int prot, int flags, off_t offset)
{
	void *p = mmap(NULL, size, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, size);
	return 0;
}

static void ask(const char *driver, struct answers *a)
{
	struct vfio_device_feature feature = { .argsz = sizeof(feature) };
	struct vfio_region_info *info;
	struct vfio_device device;
	unsigned int i, n = 0;
	unsigned char bytes[64];
	off_t bar, config;

	memset(a, 0, sizeof(*a));
	vfio_bind(edu_bdf(), driver);
	vfio_open(&device, edu_bdf());
	a->device.argsz = sizeof(a->device);
	a->errors[n++] = error_of(ioctl(device.fd, VFIO_DEVICE_GET_INFO,
					&a->device));
	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		info = region_info(device.fd, i);
		if (!info)
			continue;
		/* The capability is what differs. */
		a->regions[i] = *info;
		a->regions[i].argsz = 0;
		a->regions[i].cap_offset = 0;
		a->regions[i].flags &= ~VFIO_REGION_INFO_FLAG_CAPS;
		free(info);
	}
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		a->irqs[i].argsz = sizeof(a->irqs[i]);
		a->irqs[i].index = i;
		a->errors[n++] = error_of(ioctl(device.fd,
						VFIO_DEVICE_GET_IRQ_INFO,
						&a->irqs[i]));
	}
	bar = a->regions[0].offset;
	config = a->regions[VFIO_PCI_CONFIG_REGION_INDEX].offset;
	a->errors[n++] = error_of(pread(device.fd, a->config, 256, config) < 0);

	a->errors[n++] = mmap_error(device.fd, 4096, PROT_READ | PROT_EXEC,
				    MAP_SHARED, bar);
	a->errors[n++] = mmap_error(device.fd, 4096, PROT_READ, MAP_PRIVATE,
				    bar);
	a->errors[n++] = mmap_error(device.fd, 4096, PROT_NONE, MAP_SHARED,
				    bar);
	a->errors[n++] = mmap_error(device.fd, MIB(1) + 4096, PROT_READ,
				    MAP_SHARED, bar);
	a->errors[n++] = mmap_error(device.fd, 4096, PROT_READ, MAP_SHARED,
				    a->regions[2].offset);
	a->errors[n++] = error_of(pread(device.fd, bytes, 4, bar + MIB(1)) < 0);
	a->errors[n++] = error_of(pread(device.fd, bytes, 4,
					a->regions[2].offset) < 0);
	a->errors[n++] = error_of(pread(device.fd, bytes, 0, bar) < 0);
	a->errors[n++] = error_of(pread(device.fd, NULL, 4, bar) < 0);
	a->errors[n++] = error_of(pread(device.fd, bytes, 4,
					20ULL << 40) < 0);
	a->errors[n++] = error_of(ioctl(device.fd, VFIO_DEVICE_RESET));
	a->errors[n++] = error_of(ioctl(device.fd, 0x3b00 + 200));
	for (i = 0; i < 12; i++) {
		feature.flags = VFIO_DEVICE_FEATURE_PROBE |
				VFIO_DEVICE_FEATURE_SET | i;
		a->errors[n++] = error_of(ioctl(device.fd, VFIO_DEVICE_FEATURE,
						&feature));
	}
	if (n > sizeof(a->errors) / sizeof(a->errors[0]))
		fatal("too many questions");
	vfio_close(&device);
}

TEST(answers_are_the_same)
{
	struct answers stock, ours;
	unsigned int i;

	ask("vfio-pci", &stock);
	ask(driver_name(), &ours);
	EXPECT_EQ(0, memcmp(&stock.device, &ours.device, sizeof(ours.device)));
	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++)
		EXPECT_EQ(0, memcmp(&stock.regions[i], &ours.regions[i],
				    sizeof(ours.regions[i]))) {
			TH_LOG("region %u", i);
		}
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++)
		EXPECT_EQ(0, memcmp(&stock.irqs[i], &ours.irqs[i],
				    sizeof(ours.irqs[i])));
	for (i = 0; i < ARRAY_SIZE(ours.errors); i++)
		EXPECT_EQ(stock.errors[i], ours.errors[i]) {
			TH_LOG("question %u", i);
		}
	for (i = 0; i < sizeof(ours.config); i++)
		EXPECT_EQ(stock.config[i], ours.config[i]) {
			TH_LOG("configuration byte %#x", i);
		}
}

/* Another function on vfio-pci at the same time is left alone. */
TEST(both_drivers_at_once)
{
	struct vfio_device gpu, edu;

	vfio_bind(gpu_bdf(), driver_name());
	vfio_bind(edu_bdf(), "vfio-pci");
	vfio_open(&gpu, gpu_bdf());
	vfio_open(&edu, edu_bdf());
	EXPECT_EQ(0, ioctl(gpu.fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(0, ioctl(edu.fd, VFIO_DEVICE_RESET));
	vfio_close(&edu);
	vfio_close(&gpu);
}

TEST_HARNESS_MAIN

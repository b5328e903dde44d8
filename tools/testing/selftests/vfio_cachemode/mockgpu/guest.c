// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest's tests need of the mock's DMA engine and interrupts.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "engine.h"
#include "guest.h"

void *dma_memory(const struct vfio_device *device, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory, .iova = IOVA, .size = size,
	};

	if (memory == MAP_FAILED ||
	    ioctl(device->container, VFIO_IOMMU_MAP_DMA, &map))
		fatal("DMA memory: %s", strerror(errno));
	config_write(device->fd, PCI_COMMAND, 2,
		     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return memory;
}

bool has_interrupts(void)
{
	struct utsname name;

	uname(&name);
	return strcmp(name.machine, "aarch64") || atoi(name.release) < 7;
}

int take_interrupt(const struct vfio_device *device, unsigned int index,
		   unsigned int vector)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} irq = {
		{ .argsz = sizeof(irq), .index = index, .start = vector,
		  .count = 1, .flags = VFIO_IRQ_SET_DATA_EVENTFD |
				       VFIO_IRQ_SET_ACTION_TRIGGER },
		-1,
	};

	if (index != VFIO_PCI_ERR_IRQ_INDEX && !has_interrupts())
		return -1;
	irq.fd = eventfd(0, EFD_NONBLOCK);
	if (ioctl(device->fd, VFIO_DEVICE_SET_IRQS, &irq))
		fatal("interrupt %u of index %u: %s", vector, index,
		      strerror(errno));
	return irq.fd;
}

bool told(int event, const volatile uint32_t *status, int ms)
{
	uint64_t count;

	for (; ms > 0; ms -= 10) {
		if (event >= 0 ? read(event, &count, 8) == 8 : *status != 0)
			return true;
		usleep(10000);
	}
	return false;
}

void start_engine(volatile uint32_t *engine, uint64_t from, uint64_t to,
		  uint32_t length, uint64_t done, uint32_t vector)
{
	*(volatile uint64_t *)(engine + ENGINE_SOURCE / 4) = from;
	*(volatile uint64_t *)(engine + ENGINE_DESTINATION / 4) = to;
	*(volatile uint64_t *)(engine + ENGINE_DONE / 4) = done;
	engine[ENGINE_LENGTH / 4] = length;
	engine[ENGINE_VECTOR / 4] = vector;
	engine[ENGINE_COMMAND / 4] = ENGINE_COMMAND_START;
}

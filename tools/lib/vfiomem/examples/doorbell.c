// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Copy a command into a device's memory, ring its doorbell, and read back the
 * answer.
 *
 *	doorbell BDF
 *
 * BDF is the address of a PCI device that is bound to a vfio-pci driver, such as
 * 0000:01:00.0.  Region 2 is taken for its memory, the first bytes of region 0 for
 * registers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "vfiomem.h"

/* Through its IOMMU group: no address of ours is mapped for the device's DMA. */
static int open_device(const char *bdf)
{
	char path[160], link[128];
	int container, group, device;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(link, '/'));

	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (container < 0)
		return -errno;
	group = open(path, O_RDWR | O_CLOEXEC);
	if (group < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return device < 0 ? -errno : device;
}

struct mapping {
	struct vfiomem_region *region;
	char *addr;
	size_t size;
};

static int map(int device, uint32_t index, struct mapping *m)
{
	void *addr;
	int err;

	err = vfiomem_region_open(device, index, &m->region);
	if (err)
		return err;
	err = vfiomem_region_map(m->region, 0, 0, PROT_READ | PROT_WRITE, &addr,
				 &m->size);
	if (err)
		vfiomem_region_close(m->region);
	else
		m->addr = addr;
	return err;
}

static void unmap(struct mapping *m)
{
	vfiomem_region_unmap(m->addr, m->size);
	vfiomem_region_close(m->region);
}

static int run(const struct mapping *memory, const struct mapping *registers)
{
	const struct vfiomem_attr there = vfiomem_region_attr(memory->region, 0);
	const struct vfiomem_attr doorbell = vfiomem_region_attr(registers->region, 0);
	char command[93] = "a command of an odd length", answer[93];
	int err;

	/* As few accesses as the memory allows, each as wide as it allows. */
	err = vfiomem_copy(there, memory->addr, VFIOMEM_ATTR_PRIVATE, command,
			   sizeof(command), VFIOMEM_RELAXED);
	if (err)
		return err;
	/* All of it has left the CPU before the doorbell rings. */
	vfiomem_flush_wc();
	vfiomem_store32_le(doorbell, registers->addr, 1);

	/* The device may be reset at any time: no SIGBUS from here. */
	err = vfiomem_copy_guarded(VFIOMEM_ATTR_PRIVATE, answer, there,
				   memory->addr, sizeof(answer),
				   VFIOMEM_ACQUIRE, NULL);
	if (!err)
		printf("%.*s\n", (int)sizeof(answer), answer);
	return err;
}

int main(int argc, char **argv)
{
	struct mapping memory, registers;
	int device, err;

	if (argc != 2) {
		fprintf(stderr, "usage: %s BDF\n", argv[0]);
		return 2;
	}
	device = open_device(argv[1]);
	err = device < 0 ? device : vfiomem_guard_install();
	if (!err)
		err = map(device, 2, &memory);
	if (!err) {
		err = map(device, 0, &registers);
		if (!err) {
			err = run(&memory, &registers);
			unmap(&registers);
		}
		unmap(&memory);
	}
	if (err)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-err));
	return err ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user of a device, driven line by line: what the operator's tool looks at
 * while a VMM has the device.
 *
 *	session BDF
 *
 * Each line on stdin is a command, and has one line on stdout as its answer:
 *
 *	areas REGION		OFFSET+SIZE=MODE/WIDTH ..., from the capability
 *	walk REGION OFFSET	mode that the page tables of a user mapping hold
 *	kernel REGION OFFSET	modes of all kernel mappings of the page
 *	store REGION OFFSET N	a store of N bytes (4 or 8) through a mapping
 *	rw REGION OFFSET N	write() N bytes, and read() them back: "same"
 *	mmap REGION OFFSET SIZE	0, or the error of such a mapping
 *	ioeventfd REGION OFFSET	0, or the error of setting one
 *	reset			0, or the error
 *	hold			map each area, touch it, and keep it
 *
 * It ends, and closes the device, with its input.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../vfio_test.h"

static const char *const modes[] = {
	"noncached", "device", "writecombine", "normal"
};

static struct vfio_device device;

static const char *mode_text(unsigned int mode)
{
	return mode < 4 ? modes[mode] : "unknown";
}

static void tell_areas(unsigned int region)
{
	struct vfio_region_info *info = region_info(device.fd, region);
	const struct vfio_region_info_cap_mmap_cache_mode *cap = mode_cap(info);

	for (unsigned int i = 0; cap && i < cap->nr_areas; i++) {
		const struct vfio_mmap_cache_area *area = mode_area(cap, i);

		printf("%s%llu+%llu=%s/%u", i ? " " : "", area->offset,
		       area->size, mode_text(area->mode), area->max_width);
	}
	putchar('\n');
	free(info);
}

static void *map_page(unsigned int region, uint64_t offset)
{
	struct vfio_region_info *info = region_info(device.fd, region);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
		       device.fd, (off_t)(info->offset + (offset & ~4095ULL)));

	free(info);
	return p;
}

static void tell_walk(unsigned int region, uint64_t offset)
{
	struct ptewalk entry;
	void *p = map_page(region, offset);

	if (p == MAP_FAILED) {
		printf("mmap: %s\n", strerror(errno));
		return;
	}
	walk(p, &entry);
	puts(mode_text(entry.mode));
	munmap(p, 4096);
}

static void tell_kernel(unsigned int region, uint64_t offset)
{
	struct ptewalk entry, kernel = { .address = 0 };
	void *p = map_page(region, offset);
	uint64_t phys;
	const char *separator = "";

	walk(p, &entry);
	phys = entry.phys;
	while (!__walk_kernel(phys, &kernel)) {
		printf("%s%s", separator, mode_text(kernel.mode));
		separator = " ";
		kernel.address++;
	}
	puts(*separator ? "" : "none");
	munmap(p, 4096);
}

static void do_store(unsigned int region, uint64_t offset, unsigned int n)
{
	char *page = map_page(region, offset);
	volatile void *p = page + (offset & 4095);

	if (page == MAP_FAILED) {
		printf("mmap: %s\n", strerror(errno));
		return;
	}
	if (n == 4)
		*(volatile uint32_t *)p = 0x11223344;
	else
		*(volatile uint64_t *)p = 0x1122334455667788;
	puts("0");
	munmap(page, 4096);
}

static void do_rw(unsigned int region, uint64_t offset, size_t n)
{
	struct vfio_region_info *info = region_info(device.fd, region);
	unsigned char *out = malloc(n), *in = calloc(1, n);
	uint64_t state = n;

	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)random64(&state);
	if (pwrite(device.fd, out, n, (off_t)(info->offset + offset)) !=
	    (ssize_t)n)
		printf("write: %s\n", strerror(errno));
	else if (pread(device.fd, in, n, (off_t)(info->offset + offset)) !=
		 (ssize_t)n)
		printf("read: %s\n", strerror(errno));
	else
		puts(memcmp(in, out, n) ? "different" : "same");
	free(out);
	free(in);
	free(info);
}

static void do_mmap(unsigned int region, uint64_t offset, size_t size)
{
	struct vfio_region_info *info = region_info(device.fd, region);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       device.fd, (off_t)(info->offset + offset));

	printf("%d\n", p == MAP_FAILED ? -errno : 0);
	if (p != MAP_FAILED)
		munmap(p, size);
	free(info);
}

static void do_ioeventfd(unsigned int region, uint64_t offset)
{
	struct vfio_region_info *info = region_info(device.fd, region);
	struct vfio_device_ioeventfd ioeventfd = {
		.argsz = sizeof(ioeventfd),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = info->offset + offset,
		.data = 0x11223344,
		.fd = eventfd(0, EFD_CLOEXEC),
	};

	printf("%d\n", ioctl(device.fd, VFIO_DEVICE_IOEVENTFD, &ioeventfd) ?
			       -errno : 0);
	free(info);
}

static void do_hold(void)
{
	struct area areas[MAX_AREAS];
	unsigned int n = all_areas(device.fd, areas);

	for (unsigned int i = 0; i < n; i++) {
		volatile uint32_t *p = map_area(device.fd, &areas[i], 0,
						areas[i].a.size, 0);

		(void)*p;
	}
	printf("%u\n", n);
}

int main(int argc, char **argv)
{
	unsigned int region;
	uint64_t offset, n;
	char line[128], command[16];

	if (argc != 2)
		fatal("usage: session BDF");
	setvbuf(stdout, NULL, _IOLBF, 0);
	vfio_open(&device, argv[1]);
	set_memory_enable(device.fd, true);
	puts("open");

	while (fgets(line, sizeof(line), stdin)) {
		region = 0;
		offset = n = 0;
		if (sscanf(line, "%15s %u %li %li", command, &region, &offset,
			   &n) < 1)
			continue;
		if (!strcmp(command, "areas"))
			tell_areas(region);
		else if (!strcmp(command, "walk"))
			tell_walk(region, offset);
		else if (!strcmp(command, "kernel"))
			tell_kernel(region, offset);
		else if (!strcmp(command, "store"))
			do_store(region, offset, (unsigned int)n);
		else if (!strcmp(command, "rw"))
			do_rw(region, offset, n);
		else if (!strcmp(command, "mmap"))
			do_mmap(region, offset, n);
		else if (!strcmp(command, "ioeventfd"))
			do_ioeventfd(region, offset);
		else if (!strcmp(command, "hold"))
			do_hold();
		else if (!strcmp(command, "reset"))
			printf("%d\n", ioctl(device.fd, VFIO_DEVICE_RESET) ?
					       -errno : 0);
		else
			puts("unknown command");
	}
	vfio_close(&device);
	return 0;
}

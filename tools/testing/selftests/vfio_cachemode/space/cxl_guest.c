// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inside a guest with a CXL memory device: read what the kernel programmed
 * into the hardware, and print what libvfiomem makes of it.
 *
 *	cxl_guest BDF PORT
 *
 * One line for each decoder of the device: its number, address, size and
 * device address in hexadecimal, or why it shows nothing. PORT is the root
 * port's number. The windows and the host bridge's registers are told by the
 * ACPI table CEDT. Needs iomem=relaxed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfiomem.h"

#define COMPONENT_SIZE	0x10000
#define CACHE_MEM	0x1000		/* CXL.cachemem registers, in the component's */
#define CAP_HDM		5
#define MAX_DECODERS	32
#define MAX_WINDOWS	8

static uint32_t le32(const unsigned char *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t le64(const unsigned char *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static size_t read_file(const char *path, unsigned char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t n = 0;
	ssize_t ret;

	if (fd < 0)
		err(1, "%s", path);
	while ((ret = read(fd, buf + n, size - n)) > 0)
		n += (size_t)ret;
	close(fd);
	return n;
}

/* The HDM decoders among a component's registers, by 32-bit reads. */
static int read_decoders(const char *path, off_t offset, int endpoint,
			 struct vfiomem_cxl_decoder *decoders)
{
	int fd = open(path, O_RDONLY | O_SYNC);
	const volatile uint32_t *regs;
	uint32_t hdm[4 + 8 * MAX_DECODERS];
	unsigned int caps;

	if (fd < 0)
		err(1, "%s", path);
	regs = mmap(NULL, COMPONENT_SIZE, PROT_READ, MAP_SHARED, fd, offset);
	if (regs == MAP_FAILED)
		err(1, "%s: mmap at %#llx", path, (long long)offset);
	close(fd);
	regs += CACHE_MEM / 4;
	caps = regs[0] >> 24;
	for (unsigned int i = 1; i <= caps; i++) {
		if ((regs[i] & 0xffff) != CAP_HDM)
			continue;
		regs += (regs[i] >> 20) / 4;
		for (unsigned int k = 0; k < sizeof(hdm) / 4; k++)
			hdm[k] = regs[k];
		return vfiomem_cxl_read_decoders(hdm, sizeof(hdm), endpoint, decoders,
						 MAX_DECODERS);
	}
	return 0;
}

/* Which BAR, and where in it, the component registers are: DVSEC 8 of vendor 1e98. */
static unsigned int find_component(const char *bdf, off_t *offset)
{
	unsigned char config[4096];
	unsigned int at = 0x100;
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	if (read_file(path, config, sizeof(config)) != sizeof(config))
		errx(1, "%s: no extended configuration space", path);
	for (; at; at = le32(config + at) >> 20) {
		unsigned int length = le32(config + at + 4) >> 20;

		if ((le32(config + at) & 0xffff) != 0x23 ||
		    (le32(config + at + 4) & 0xffff) != 0x1e98 ||
		    (le32(config + at + 8) & 0xffff) != 8)
			continue;
		for (unsigned int block = at + 0xc; block < at + length; block += 8) {
			uint32_t low = le32(config + block);

			if ((low >> 8 & 0xff) != 1)
				continue;
			*offset = (off_t)(low & 0xffff0000) |
				  (off_t)le32(config + block + 4) << 32;
			return low & 7;
		}
	}
	errx(1, "%s has no component registers", bdf);
}

int main(int argc, char **argv)
{
	static struct vfiomem_cxl_decoder bridge[MAX_DECODERS], own[MAX_DECODERS];
	struct vfiomem_cxl_window windows[MAX_WINDOWS];
	struct vfiomem_cxl_port port = { .decoders = bridge };
	/* Device addresses are all that is asked for: the "mapping" is at 0. */
	struct vfiomem_cxl_backing backing = { .size = 1ull << 40 };
	struct vfiomem_cxl_device device = {
		.windows = windows, .ports = &port, .nr_ports = 1,
		.decoders = own, .backings = &backing, .nr_backings = 1,
	};
	unsigned char cedt[4096];
	size_t size;
	off_t offset;
	char path[256];
	int n;

	if (argc != 3)
		errx(2, "usage: %s BDF PORT", argv[0]);
	port.target = (uint32_t)atoi(argv[2]);
	size = read_file("/sys/firmware/acpi/tables/CEDT", cedt, sizeof(cedt));
	for (size_t at = 36; at + 4 <= size; at += cedt[at + 2] | cedt[at + 3] << 8) {
		const unsigned char *entry = cedt + at;

		if (entry[0] == 0) {			/* CHBS */
			n = read_decoders("/dev/mem", (off_t)le64(entry + 16), 0, bridge);
			if (n < 0)
				errx(1, "the host bridge's decoders make no sense");
			port.nr_decoders = (uint32_t)n;
		} else if (entry[0] == 1 && device.nr_windows < MAX_WINDOWS) {	/* CFMWS */
			windows[device.nr_windows++] = (struct vfiomem_cxl_window){
				.base = le64(entry + 8),
				.size = le64(entry + 16),
				.ways = 1u << entry[24],
			};
		}
	}
	n = (int)find_component(argv[1], &offset);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d", argv[1], n);
	n = read_decoders(path, offset, 1, own);
	if (n <= 0)
		errx(1, "the device's decoders make no sense");
	device.nr_decoders = (uint32_t)n;
	for (unsigned int i = 0; i < device.nr_decoders; i++) {
		struct vfiomem_range range;
		int ret = vfiomem_cxl_resolve(&device, i, &range);

		if (ret)
			printf("%u none %s\n", i, strerrorname_np(-ret));
		else
			printf("%u 0x%llx 0x%llx 0x%llx\n", i, (long long)range.base,
			       (long long)range.size, (long long)(uintptr_t)range.host);
	}
	return 0;
}

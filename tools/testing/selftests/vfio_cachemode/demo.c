// SPDX-License-Identifier: GPL-2.0-only
/*
 * For each area of the emulated GPU: what the driver reports beside what every
 * page-table entry of a mapping holds, and the kernel's own mapping of it.
 *
 * Exit status: 0 if all agree and NONCACHED, WRITECOMBINE and NORMAL were seen.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vfio_test.h"

#define LINE	"%-6s | %-11s | %-11s | %-12s | %-24s | %s%s\n"

static const char *mode_name(unsigned int mode)
{
	static const char * const names[] = {
		[VFIO_MMAP_CACHE_MODE_NONCACHED] = "NONCACHED",
		[VFIO_MMAP_CACHE_MODE_DEVICE] = "DEVICE",
		[VFIO_MMAP_CACHE_MODE_WRITECOMBINE] = "WRITECOMBINE",
		[VFIO_MMAP_CACHE_MODE_NORMAL] = "NORMAL",
	};

	return mode < sizeof(names) / sizeof(names[0]) ? names[mode] : "?";
}

static void access_names(unsigned int access, char *text, size_t size)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} names[] = {
		{ VFIO_MMAP_ACCESS_UNALIGNED, "unaligned" },
		{ VFIO_MMAP_ACCESS_VECTOR, "vector" },
		{ VFIO_MMAP_ACCESS_ATOMIC, "atomic" },
		{ VFIO_MMAP_ACCESS_READ_IDEMPOTENT, "read-idempotent" },
		{ VFIO_MMAP_ACCESS_WRITE_MERGE, "write-merge" },
		{ VFIO_MMAP_ACCESS_COHERENT, "coherent" },
		{ VFIO_MMAP_ACCESS_ZERO_LINE, "zero-line" },
	};
	size_t i, used = 0;

	snprintf(text, size, "none");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (access & names[i].bit)
			used += snprintf(text + used, size - used, "%s%s",
					 used ? " " : "", names[i].name);
}

/* Does every entry of a mapping of the whole area have the reported mode? */
static bool user_agrees(int fd, const struct area *area, char *seen,
			size_t size)
{
	struct ptewalk entry;
	uint64_t sizes = 0, at, bit;
	char types[64] = "";
	bool agrees = true;
	size_t used;
	char *p;

	p = map_area(fd, area, 0, area->a.size, 0);
	for (at = 0; at < area->a.size;
	     at += entry.size - (uintptr_t)(p + at) % entry.size) {
		walk(p + at, &entry);
		sizes |= entry.size;
		if (!strstr(types, entry.type))
			snprintf(types + strlen(types),
				 sizeof(types) - strlen(types), "%s ",
				 entry.type);
		if (entry.mode != area->a.mode)
			agrees = false;
	}
	munmap(p, area->a.size);

	used = snprintf(seen, size, "%s", types);
	for (bit = GIB(1); bit; bit >>= 1)
		if (sizes & bit && bit >= MIB(1))
			used += snprintf(seen + used, size - used, "%lluM ",
					 (unsigned long long)(bit / MIB(1)));
		else if (sizes & bit)
			used += snprintf(seen + used, size - used, "%lluK ",
					 (unsigned long long)(bit / KIB(1)));
	return agrees;
}

/*
 * The core's ioremap() of a BAR gives Device-nGnRE on arm64, and its
 * pgprot_noncached() for user space nGnRnE.  Both are Device memory; they
 * differ in who may acknowledge a write.
 */
static bool kernel_mode_agrees(unsigned int mode, unsigned int reported)
{
	return mode == reported ||
	       (mode == VFIO_MMAP_CACHE_MODE_DEVICE &&
		reported == VFIO_MMAP_CACHE_MODE_NONCACHED);
}

/* Do the kernel's mappings of the area's ends, where it has any? */
static bool kernel_agrees(const struct area *area)
{
	const uint64_t ends[] = {
		area->phys, area->phys + area->a.size - 1
	};
	struct ptewalk entry;
	bool agrees = true;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		entry = (struct ptewalk) { .address = 0 };
		while (!__walk_kernel(ends[i], &entry)) {
			if (kernel_mode_agrees(entry.mode, area->a.mode))
				continue;
			printf("The kernel maps %#llx as %s.\n",
			       (unsigned long long)ends[i], entry.type);
			agrees = false;
		}
	}
	return agrees;
}

int main(void)
{
	unsigned int i, n, modes = 0, wrong = 0;
	struct area areas[MAX_AREAS];
	struct vfio_device device;
	char region[16], offset[32], size[32], seen[96], access[128];
	struct utsname system;
	bool agrees;

	uname(&system);
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&device, gpu_bdf());
	n = all_areas(device.fd, areas);

	printf("%s, Linux %s, %s bound to %s\n\n", system.machine,
	       system.release, gpu_bdf(), driver_name());
	printf(LINE, "region", "offset", "size", "reported", "page tables",
	       "access", "");
	for (i = 0; i < n; i++) {
		snprintf(region, sizeof(region), "%u", areas[i].region);
		snprintf(offset, sizeof(offset), "0x%llx",
			 (unsigned long long)areas[i].a.offset);
		snprintf(size, sizeof(size), "0x%llx",
			 (unsigned long long)areas[i].a.size);
		access_names(areas[i].a.access, access, sizeof(access));
		agrees = user_agrees(device.fd, &areas[i], seen, sizeof(seen));
		agrees &= kernel_agrees(&areas[i]);
		printf(LINE, region, offset, size, mode_name(areas[i].a.mode),
		       seen, access, agrees ? "" : "  DISAGREES");
		modes |= 1U << areas[i].a.mode;
		wrong += !agrees;
	}
	printf("\n");
	vfio_close(&device);

	if (modes != (1U << VFIO_MMAP_CACHE_MODE_NONCACHED |
		      1U << VFIO_MMAP_CACHE_MODE_WRITECOMBINE |
		      1U << VFIO_MMAP_CACHE_MODE_NORMAL)) {
		printf("Not every mode was there to be shown.\n");
		return 1;
	}
	return wrong ? 1 : 0;
}

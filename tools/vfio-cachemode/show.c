// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-cachemode show
 */
#include <inttypes.h>
#include <linux/vfio_cachemode.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "tool.h"

static char *decimal(uint64_t value, char text[24])
{
	snprintf(text, 24, "%" PRIu64, value);
	return text;
}

static char *hex(uint64_t value, char text[24])
{
	snprintf(text, 24, "0x%" PRIx64, value);
	return text;
}

static void print_areas(const struct device *device)
{
	static const char *const head[] = {
		">REGION", ">OFFSET", ">SIZE", "MODE", ">WIDTH", "ACCESS", NULL
	};
	char index[24], offset[24], size[SIZE_LEN], width[SIZE_LEN];
	struct table table;

	table_start(&table, head);
	for (unsigned int r = 0; r < device->nr_regions; r++) {
		const struct region *region = &device->regions[r];

		for (unsigned int i = 0; i < region->nr_areas; i++) {
			const struct area *area = &region->areas[i];

			table_row(&table, decimal(region->index, index),
				  hex(area->offset, offset),
				  format_size(area->size, size),
				  mode_name(area->mode),
				  format_width(area->max_width, width),
				  access_names(area->access));
		}
	}
	table_end(&table);
}

static void print_regions(const struct device *device)
{
	static const char *const head[] = {
		">REGION", ">SIZE", ">ADDRESS", "KIND", NULL
	};
	char index[24], size[SIZE_LEN], address[24];
	struct table table;

	table_start(&table, head);
	for (unsigned int r = 0; r < device->nr_regions; r++) {
		const struct region *region = &device->regions[r];

		table_row(&table, decimal(region->index, index),
			  format_size(region->size, size),
			  region->has_address ? hex(region->address, address) :
						"hidden",
			  region->emulated ? "emulated BAR" :
			  region->prefetchable ? "prefetchable BAR" : "BAR");
	}
	table_end(&table);
}

/* Only regions that the driver serves itself have counters. */
static void print_stats(const struct device *device)
{
	static const char *const head[] = {
		">REGION", ">FAULTS", ">PTE", ">PMD", ">PUD", ">READS",
		">READ", ">WRITES", ">WRITTEN", NULL
	};
	char index[24], faults[24], pte[24], pmd[24], pud[24];
	char reads[24], writes[24], in[SIZE_LEN], out[SIZE_LEN];
	bool any = false;
	struct table table;

	for (unsigned int r = 0; r < device->nr_regions; r++)
		any |= device->regions[r].has_stats;
	if (!any)
		return;

	putchar('\n');
	table_start(&table, head);
	for (unsigned int r = 0; r < device->nr_regions; r++) {
		const struct region *region = &device->regions[r];

		if (!region->has_stats)
			continue;
		table_row(&table, decimal(region->index, index),
			  decimal(region->faults, faults),
			  decimal(region->entries_pte, pte),
			  decimal(region->entries_pmd, pmd),
			  decimal(region->entries_pud, pud),
			  decimal(region->reads, reads),
			  format_size(region->read_bytes, in),
			  decimal(region->writes, writes),
			  format_size(region->written_bytes, out));
	}
	table_end(&table);
}

/*
 * KVM on arm64 maps pfns as device memory before Linux 6.17, whatever the
 * host's mapping is: a guest's view of NORMAL memory is not coherent there.
 */
static bool kvm_is_incoherent(const struct device *device)
{
	unsigned int major, minor;
	struct utsname host;

	if (uname(&host) < 0 || strcmp(host.machine, "aarch64") ||
	    sscanf(host.release, "%u.%u", &major, &minor) != 2 ||
	    major > 6 || (major == 6 && minor >= 17))
		return false;
	for (unsigned int r = 0; r < device->nr_regions; r++)
		for (unsigned int i = 0; i < device->regions[r].nr_areas; i++)
			if (device->regions[r].areas[i].mode ==
			    VFIO_MMAP_CACHE_MODE_NORMAL)
				return true;
	return false;
}

static void print_device(const struct device *device)
{
	char address[PCI_ADDRESS_LEN], id[16], title[256];

	snprintf(title, sizeof(title), "%s  %s  %s",
		 pci_format(&device->address, address),
		 pci_id(&device->address, id),
		 device->open ? "open: these modes are in effect" :
				"closed: the next open asks for these modes");
	print_bold(title);
	putchar('\n');
	print_regions(device);
	putchar('\n');
	print_areas(device);
	print_stats(device);
	if (kvm_is_incoherent(device))
		puts("\nKVM of this kernel maps normal memory as device memory "
		     "into guests: not\ncoherent. It needs Linux 6.17.");
}

static void json_stats(const struct region *region)
{
	json_object("stats");
	json_number("faults", region->faults);
	json_number("entries_pte", region->entries_pte);
	json_number("entries_pmd", region->entries_pmd);
	json_number("entries_pud", region->entries_pud);
	json_number("reads", region->reads);
	json_number("read_bytes", region->read_bytes);
	json_number("writes", region->writes);
	json_number("written_bytes", region->written_bytes);
	json_object_end();
}

static void json_device(const struct device *device)
{
	char address[PCI_ADDRESS_LEN], id[16];

	json_object(NULL);
	json_string("device", pci_format(&device->address, address));
	json_string("id", pci_id(&device->address, id));
	json_bool("open", device->open);
	json_array("regions");
	for (unsigned int r = 0; r < device->nr_regions; r++) {
		const struct region *region = &device->regions[r];

		json_object(NULL);
		json_number("index", region->index);
		json_number("size", region->size);
		if (region->has_address)
			json_number("address", region->address);
		json_bool("prefetchable", region->prefetchable);
		json_bool("emulated", region->emulated);
		json_areas(region->areas, region->nr_areas);
		if (region->has_stats)
			json_stats(region);
		json_object_end();
	}
	json_array_end();
	json_bool("kvm_incoherent", kvm_is_incoherent(device));
	json_object_end();
	json_line();
}

enum status cmd_show(int argc, char **argv)
{
	struct device *devices, *device;
	struct pci_address address;
	enum status status;
	unsigned int nr;

	if (argc != 2)
		return usage_error("%s takes one PCI address", argv[0]);
	status = pci_argument(argv[1], &address);
	if (status != OK)
		return status;
	status = family_devices(&devices, &nr);
	if (status != OK)
		return status;
	status = family_find(&address, devices, nr, &device);
	if (status == OK && options.json)
		json_device(device);
	else if (status == OK)
		print_device(device);
	family_free(devices, nr);
	return status;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-cachemode list
 */
#include <stdio.h>
#include <string.h>

#include "tool.h"

/* "writecombine+noncached": each mode of a region once, in order. */
static void region_modes(const struct region *region, char *text, size_t size)
{
	uint32_t seen = 0;
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < region->nr_areas; i++) {
		uint32_t mode = region->areas[i].mode;

		if (mode < 32 && seen & UINT32_C(1) << mode)
			continue;
		if (mode < 32)
			seen |= UINT32_C(1) << mode;
		if (used < size)
			used += (size_t)snprintf(text + used, size - used,
						 "%s%s", used ? "+" : "",
						 mode_name(mode));
	}
}

static void print_devices(const struct device *devices, unsigned int nr)
{
	static const char *const head[] = { "DEVICE", "ID", "STATE", "REGIONS",
					    NULL };
	char address[PCI_ADDRESS_LEN], id[16], modes[128], regions[512];
	struct table table;

	table_start(&table, head);
	for (unsigned int i = 0; i < nr; i++) {
		size_t used = 0;

		regions[0] = '\0';
		for (unsigned int r = 0; r < devices[i].nr_regions; r++) {
			region_modes(&devices[i].regions[r], modes,
				     sizeof(modes));
			if (used < sizeof(regions))
				used += (size_t)snprintf(regions + used,
						sizeof(regions) - used,
						"%s%u %s", used ? ", " : "",
						devices[i].regions[r].index,
						modes);
		}
		table_row(&table, pci_format(&devices[i].address, address),
			  pci_id(&devices[i].address, id),
			  devices[i].open ? "open" : "closed", regions);
	}
	table_end(&table);
}

static void json_devices(const struct device *devices, unsigned int nr)
{
	char address[PCI_ADDRESS_LEN], id[16];

	json_array(NULL);
	for (unsigned int i = 0; i < nr; i++) {
		json_object(NULL);
		json_string("device", pci_format(&devices[i].address, address));
		json_string("id", pci_id(&devices[i].address, id));
		json_bool("open", devices[i].open);
		json_array("regions");
		for (unsigned int r = 0; r < devices[i].nr_regions; r++) {
			const struct region *region = &devices[i].regions[r];

			json_object(NULL);
			json_number("index", region->index);
			json_number("size", region->size);
			json_areas(region->areas, region->nr_areas);
			json_object_end();
		}
		json_array_end();
		json_object_end();
	}
	json_array_end();
	json_line();
}

enum status cmd_list(int argc, char **argv)
{
	struct device *devices;
	enum status status;
	unsigned int nr;

	if (argc != 1)
		return usage_error("%s takes no argument", argv[0]);
	status = family_devices(&devices, &nr);
	if (status != OK)
		return status;
	if (options.json)
		json_devices(devices, nr);
	else if (nr)
		print_devices(devices, nr);
	else
		complain("no device is bound to " DRIVER ": vfio-cachemode bind BDF");
	family_free(devices, nr);
	return OK;
}

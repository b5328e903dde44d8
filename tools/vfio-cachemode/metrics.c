// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-cachemode metrics: OpenMetrics 1.0 text, for example for the textfile
 * collector of a Prometheus node exporter.
 */
#include <inttypes.h>
#include <linux/vfio_cachemode.h>
#include <stddef.h>
#include <stdio.h>

#include "tool.h"

static void family(const char *name, const char *type, const char *unit,
		   const char *help)
{
	printf("# TYPE vfio_cachemode_%s %s\n", name, type);
	if (unit)
		printf("# UNIT vfio_cachemode_%s %s\n", name, unit);
	printf("# HELP vfio_cachemode_%s %s\n", name, help);
}

static void sample(const char *name, const struct region *region,
		   const char *label, const char *label_value, uint64_t value)
{
	char address[PCI_ADDRESS_LEN];

	printf("vfio_cachemode_%s{device=\"%s\",region=\"%" PRIu32 "\"", name,
	       pci_format(&region->device, address), region->index);
	if (label)
		printf(",%s=\"%s\"", label, label_value);
	printf("} %" PRIu64 "\n", value);
}

static uint64_t bytes_of_mode(const struct region *region, uint32_t mode)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < region->nr_areas; i++)
		if (region->areas[i].mode == mode)
			bytes += region->areas[i].size;
	return bytes;
}

static void print_modes(const struct region *region)
{
	for (uint32_t mode = 0; mode <= VFIO_MMAP_CACHE_MODE_NORMAL; mode++) {
		uint64_t bytes = bytes_of_mode(region, mode);

		if (bytes)
			sample("region_mapped_bytes", region, "mode",
			       mode_name(mode), bytes);
	}
}

static void print_entries(const struct region *region)
{
	if (!region->has_stats)
		return;
	sample("entries_total", region, "level", "pte", region->entries_pte);
	sample("entries_total", region, "level", "pmd", region->entries_pmd);
	sample("entries_total", region, "level", "pud", region->entries_pud);
}

static const struct counter {
	const char *name;
	const char *sample;
	const char *unit;
	const char *help;
	size_t offset;
} counters[] = {
	{ "faults", "faults_total", NULL,
	  "Page faults taken on mappings of the region.",
	  offsetof(struct region, faults) },
	{ "reads", "reads_total", NULL,
	  "read() calls that reached the region.",
	  offsetof(struct region, reads) },
	{ "read_bytes", "read_bytes_total", "bytes",
	  "Bytes that read() returned from the region.",
	  offsetof(struct region, read_bytes) },
	{ "writes", "writes_total", NULL,
	  "write() calls that reached the region.",
	  offsetof(struct region, writes) },
	{ "written_bytes", "written_bytes_total", "bytes",
	  "Bytes that write() took for the region.",
	  offsetof(struct region, written_bytes) },
};

static void each_region(const struct device *devices, unsigned int nr,
			void (*print)(const struct region *region))
{
	for (unsigned int i = 0; i < nr; i++)
		for (unsigned int r = 0; r < devices[i].nr_regions; r++)
			print(&devices[i].regions[r]);
}

static void print_counter(const struct device *devices, unsigned int nr,
			  const struct counter *counter)
{
	family(counter->name, "counter", counter->unit, counter->help);
	for (unsigned int i = 0; i < nr; i++) {
		for (unsigned int r = 0; r < devices[i].nr_regions; r++) {
			const struct region *region = &devices[i].regions[r];

			if (!region->has_stats)
				continue;
			sample(counter->sample, region, NULL, NULL,
			       *(const uint64_t *)((const char *)region +
						   counter->offset));
		}
	}
}

static void print_metrics(const struct device *devices, unsigned int nr)
{
	char address[PCI_ADDRESS_LEN];

	family("device_open", "gauge", NULL,
	       "Whether the device is open.");
	for (unsigned int i = 0; i < nr; i++)
		printf("vfio_cachemode_device_open{device=\"%s\"} %d\n",
		       pci_format(&devices[i].address, address),
		       devices[i].open);

	family("region_mapped_bytes", "gauge", "bytes",
	       "Mappable bytes of the region, by memory type.");
	each_region(devices, nr, print_modes);

	family("entries", "counter", NULL,
	       "Page-table entries installed, by level.");
	each_region(devices, nr, print_entries);

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		print_counter(devices, nr, &counters[i]);
	puts("# EOF");
}

enum status cmd_metrics(int argc, char **argv)
{
	struct device *devices;
	enum status status;
	unsigned int nr;

	if (argc != 1)
		return usage_error("%s takes no argument", argv[0]);
	status = family_devices(&devices, &nr);
	if (status != OK)
		return status;
	print_metrics(devices, nr);
	family_free(devices, nr);
	return OK;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-cachemode watch
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tool.h"

static const char *const names[] = {
	[EVENT_OPEN] = "open",
	[EVENT_CLOSE] = "close",
	[EVENT_RESET] = "reset",
	[EVENT_MODE] = "mode",
	[EVENT_MISSED] = "missed",
};

static void now(char *text, size_t size)
{
	struct timespec time;
	struct tm local;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &time);
	localtime_r(&time.tv_sec, &local);
	used = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &local);
	used += (size_t)snprintf(text + used, size - used, ".%03ld",
				 time.tv_nsec / 1000000);
	strftime(text + used, size - used, "%z", &local);
}

static void print_event(enum event event, const struct pci_address *device,
			const struct region *region)
{
	char time[64], address[PCI_ADDRESS_LEN], size[SIZE_LEN];

	now(time, sizeof(time));
	if (event == EVENT_MISSED) {
		printf("%s  events were lost\n", time);
		return;
	}
	printf("%s  %s  %s", time, pci_format(device, address), names[event]);
	if (region) {
		printf(" region %" PRIu32 ":", region->index);
		for (unsigned int i = 0; i < region->nr_areas; i++)
			printf("%s 0x%" PRIx64 "+%s %s", i ? "," : "",
			       region->areas[i].offset,
			       format_size(region->areas[i].size, size),
			       mode_name(region->areas[i].mode));
	}
	putchar('\n');
}

static void json_event(enum event event, const struct pci_address *device,
		       const struct region *region)
{
	char time[64], address[PCI_ADDRESS_LEN];

	now(time, sizeof(time));
	json_object(NULL);
	json_string("time", time);
	json_string("event", names[event]);
	if (device)
		json_string("device", pci_format(device, address));
	if (region) {
		json_number("region", region->index);
		json_areas(region->areas, region->nr_areas);
	}
	json_object_end();
	json_line();
}

static void handle(enum event event, const struct pci_address *device,
		   const struct region *region)
{
	if (options.json)
		json_event(event, device, region);
	else
		print_event(event, device, region);
	/* Whoever reads a pipe wants to see it now. */
	fflush(stdout);
}

enum status cmd_watch(int argc, char **argv)
{
	if (argc != 1)
		return usage_error("%s takes no argument", argv[0]);
	return family_watch(handle);
}

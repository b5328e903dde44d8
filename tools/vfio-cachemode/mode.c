// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of modes and access bits.
 */
#include <linux/vfio_cachemode.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const char *const modes[] = {
	[VFIO_MMAP_CACHE_MODE_NONCACHED] = "noncached",
	[VFIO_MMAP_CACHE_MODE_DEVICE] = "device",
	[VFIO_MMAP_CACHE_MODE_WRITECOMBINE] = "writecombine",
	[VFIO_MMAP_CACHE_MODE_NORMAL] = "normal",
};

static const struct {
	uint32_t bit;
	const char *name;
} accesses[] = {
	{ VFIO_MMAP_ACCESS_UNALIGNED, "unaligned" },
	{ VFIO_MMAP_ACCESS_VECTOR, "vector" },
	{ VFIO_MMAP_ACCESS_ATOMIC, "atomic" },
	{ VFIO_MMAP_ACCESS_READ_IDEMPOTENT, "read-idempotent" },
	{ VFIO_MMAP_ACCESS_WRITE_MERGE, "write-merge" },
	{ VFIO_MMAP_ACCESS_COHERENT, "coherent" },
	{ VFIO_MMAP_ACCESS_ZERO_LINE, "zero-line" },
};

const char *mode_name(uint32_t mode)
{
	return mode < ARRAY_SIZE(modes) ? modes[mode] : "unknown";
}

bool mode_parse(const char *name, uint32_t *mode)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!strcmp(name, modes[i])) {
			*mode = i;
			return true;
		}
	}
	return false;
}

const char *access_name(unsigned int bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++)
		if (accesses[i].bit == UINT32_C(1) << bit)
			return accesses[i].name;
	return NULL;
}

const char *access_names(uint32_t access)
{
	static char text[128];
	size_t used = 0;

	strcpy(text, "-");
	for (unsigned int bit = 0; bit < 32; bit++) {
		const char *name = access_name(bit);

		if (!(access & UINT32_C(1) << bit) || !name)
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s%s", used ? "," : "", name);
	}
	return text;
}

void json_areas(const struct area *areas, unsigned int nr)
{
	json_array("areas");
	for (unsigned int i = 0; i < nr; i++) {
		json_object(NULL);
		json_number("offset", areas[i].offset);
		json_number("size", areas[i].size);
		json_string("mode", mode_name(areas[i].mode));
		json_number("max_width", areas[i].max_width);
		json_array("access");
		for (unsigned int bit = 0; bit < 32; bit++)
			if (areas[i].access & UINT32_C(1) << bit &&
			    access_name(bit))
				json_string(NULL, access_name(bit));
		json_array_end();
		json_object_end();
	}
	json_array_end();
}

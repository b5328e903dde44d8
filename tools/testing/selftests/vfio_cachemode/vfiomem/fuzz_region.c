// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer: any bytes as the answer to VFIO_DEVICE_GET_REGION_INFO.  What is
 * accepted has to be in order.
 */
#include <stdlib.h>

#include "fake_vfio.h"
#include "vfiomem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vfiomem_region *region;
	uint64_t end = 0;
	uint32_t i;

	if (size < 4 || size > sizeof(fake.answer))
		return -1;
	memset(&fake, 0, sizeof(fake));
	memcpy(fake.answer, data, size);
	/* argsz tells the truth, or what the input says. */
	fake.size = size;
	if (*(uint32_t *)fake.answer < 2 * size)
		fake.size = *(uint32_t *)fake.answer;
	if (vfiomem_region_open(3, 0, &region))
		return 0;
	for (i = 0; i < region->nr_areas; i++) {
		const struct vfiomem_area *a = &region->areas[i];

		if (!a->size || a->offset < end || a->size > region->size ||
		    a->offset > region->size - a->size || a->attr.access & ~0x7fU ||
		    (a->attr.mode > VFIOMEM_NORMAL &&
		     a->attr.mode != VFIOMEM_UNKNOWN))
			abort();
		end = a->offset + a->size;
		if (vfiomem_region_area(region, a->offset) != a ||
		    vfiomem_region_area(region, end - 1) != a)
			abort();
	}
	if (vfiomem_region_attr(region, end).mode != VFIOMEM_NONE)
		abort();
	vfiomem_region_close(region);
	return 0;
}

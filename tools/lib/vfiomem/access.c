// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Loads and stores that are more than one access, and the inlines of
 * vfiomem.h as functions.
 */
#define VFIOMEM_INLINE

#include <stdlib.h>

#include "internal.h"

/* There is no error to return, and a wrong access to a device is worse. */
static void check_side(struct side *side, struct vfiomem_attr attr,
		       const volatile void *p, unsigned int size, bool write)
{
	if (vfiomem_side(side, attr, p, size, VFIOMEM_RELAXED, write))
		abort();
}

uint64_t vfiomem_load_pieces(struct vfiomem_attr attr, const volatile void *p,
			     unsigned int size)
{
	struct side side;
	union {
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
	} value = { .u64 = 0 };

	check_side(&side, attr, p, size, false);
	vfiomem_side_run(&side, (volatile char *)&value, p, 0, size, false);
	switch (size) {
	case 1:
		return value.u8;
	case 2:
		return value.u16;
	case 4:
		return value.u32;
	default:
		return value.u64;
	}
}

void vfiomem_store_pieces(struct vfiomem_attr attr, volatile void *p,
			  uint64_t value, unsigned int size)
{
	struct side side;
	union {
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
	} part;

	switch (size) {
	case 1:
		part.u8 = (uint8_t)value;
		break;
	case 2:
		part.u16 = (uint16_t)value;
		break;
	case 4:
		part.u32 = (uint32_t)value;
		break;
	default:
		part.u64 = value;
	}
	check_side(&side, attr, p, size, true);
	vfiomem_side_run(&side, p, (const volatile char *)&part, 0, size, false);
}

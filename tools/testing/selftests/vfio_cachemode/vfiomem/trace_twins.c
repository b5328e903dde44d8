// SPDX-License-Identifier: GPL-2.0-only
/* The exported twins of the inlines, as a language without C inlines has them. */
#include "twins.h"

uint64_t twin_load(struct vfiomem_attr attr, const volatile void *p, size_t n)
{
	switch (n) {
	case 1:
		return vfiomem_load8(attr, p);
	case 2:
		return vfiomem_load16(attr, p);
	case 4:
		return vfiomem_load32(attr, p);
	default:
		return vfiomem_load64(attr, p);
	}
}

void twin_store(struct vfiomem_attr attr, volatile void *p, uint64_t v, size_t n)
{
	switch (n) {
	case 1:
		vfiomem_store8(attr, p, v);
		break;
	case 2:
		vfiomem_store16(attr, p, v);
		break;
	case 4:
		vfiomem_store32(attr, p, v);
		break;
	default:
		vfiomem_store64(attr, p, v);
	}
}

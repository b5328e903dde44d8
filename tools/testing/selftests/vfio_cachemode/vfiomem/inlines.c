// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every load and store inline alone in a function, for the disassembly: with
 * an attribute known at run time only, and with two that the compiler knows.
 */
#include "vfiomem.h"

#define USED __attribute__((noinline, used))

#define REGISTERS VFIOMEM_ATTR(VFIOMEM_DEVICE, 0, 0)

#define INLINES(bits, le, type)	INLINES_(bits, le, type)
#define INLINES_(bits, le, type)					\
USED type known_load##bits##le(const volatile void *p)			\
{									\
	return vfiomem_load##bits##le(VFIOMEM_ATTR_RAM, p);		\
}									\
USED void known_store##bits##le(volatile void *p, type value)		\
{									\
	vfiomem_store##bits##le(VFIOMEM_ATTR_RAM, p, value);		\
}									\
USED type device_load##bits##le(const volatile void *p)			\
{									\
	return vfiomem_load##bits##le(REGISTERS, p);			\
}									\
USED void device_store##bits##le(volatile void *p, type value)		\
{									\
	vfiomem_store##bits##le(REGISTERS, p, value);			\
}									\
USED type any_load##bits##le(struct vfiomem_attr attr, const volatile void *p) \
{									\
	return vfiomem_load##bits##le(attr, p);				\
}									\
USED void any_store##bits##le(struct vfiomem_attr attr, volatile void *p, type value) \
{									\
	vfiomem_store##bits##le(attr, p, value);			\
}

#define NATIVE	/* no suffix: host-endian */

INLINES(8, NATIVE, uint8_t)
INLINES(16, NATIVE, uint16_t)
INLINES(32, NATIVE, uint32_t)
INLINES(64, NATIVE, uint64_t)
INLINES(16, _le, uint16_t)
INLINES(32, _le, uint32_t)
INLINES(64, _le, uint64_t)

/* Two stores in a row that a compiler would like to merge. */
USED void pair_store32(volatile uint32_t *p, uint32_t a, uint32_t b)
{
	vfiomem_store32(REGISTERS, p, a);
	vfiomem_store32(REGISTERS, p + 1, b);
}

/* A value that is not used, and one that is loaded twice. */
USED void twice_load32(volatile uint32_t *p)
{
	vfiomem_load32(REGISTERS, p);
	vfiomem_load32(REGISTERS, p);
}

/* What compilers do with plain C: the check must see the difference. */
USED void merged_store32(uint32_t *p, uint32_t a, uint32_t b)
{
	p[0] = a;
	p[1] = b;
}

int main(void)
{
	return 0;
}

/* For a link without the library. */
uint64_t vfiomem_load_pieces(struct vfiomem_attr attr, const volatile void *p,
			     unsigned int size)
{
	return attr.mode + size + (uintptr_t)p;
}

void vfiomem_store_pieces(struct vfiomem_attr attr, volatile void *p,
			  uint64_t value, unsigned int size)
{
	(void)attr;
	(void)p;
	(void)value;
	(void)size;
}

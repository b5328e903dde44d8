/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exported twins of the inlines, declared by hand as a language without C
 * inlines would, and calls of them for programs that have the inlines.
 */
#ifndef VFIOMEM_TWINS_H
#define VFIOMEM_TWINS_H

#include <stddef.h>
#include <stdint.h>

#ifndef VFIOMEM_H
struct vfiomem_attr {
	uint8_t mode;
	uint8_t reserved;
	uint16_t max_width;
	uint32_t access;
};

uint8_t vfiomem_load8(struct vfiomem_attr attr, const volatile void *p);
void vfiomem_store8(struct vfiomem_attr attr, volatile void *p, uint8_t value);
uint16_t vfiomem_load16(struct vfiomem_attr attr, const volatile void *p);
void vfiomem_store16(struct vfiomem_attr attr, volatile void *p, uint16_t value);
uint32_t vfiomem_load32(struct vfiomem_attr attr, const volatile void *p);
void vfiomem_store32(struct vfiomem_attr attr, volatile void *p, uint32_t value);
uint64_t vfiomem_load64(struct vfiomem_attr attr, const volatile void *p);
void vfiomem_store64(struct vfiomem_attr attr, volatile void *p, uint64_t value);
#endif

uint64_t twin_load(struct vfiomem_attr attr, const volatile void *p, size_t n);
void twin_store(struct vfiomem_attr attr, volatile void *p, uint64_t v, size_t n);

#endif /* VFIOMEM_TWINS_H */

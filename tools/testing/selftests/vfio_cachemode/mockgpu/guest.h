/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest's tests need of the mock's DMA engine and interrupts.
 */
#ifndef MOCKGPU_GUEST_H
#define MOCKGPU_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../vfio_test.h"

#define IOVA	0x40000000ULL

/* @size bytes that the device can reach at IOVA; bus mastering is turned on. */
void *dma_memory(const struct vfio_device *device, size_t size);

/*
 * Linux 7.2's VFIO gives no MSIs (-ENOSPC, and a warning later) on arm64 behind
 * an IOMMU that passes them untranslated, as QEMU's virtio-iommu does:
 * iommu_dma_prepare_msi() refuses a domain without a cookie.  6.12 had none of
 * that.  No interrupts there: the status word has to do.
 */
bool has_interrupts(void);

/*
 * An eventfd for @vector of VFIO's interrupt @index, or -1.  (What tells of
 * errors is no interrupt of the part.)
 */
int take_interrupt(const struct vfio_device *device, unsigned int index,
		   unsigned int vector);

/* Has the interrupt come, or where there is none the status word? */
bool told(int event, const volatile uint32_t *status, int ms);

/* Copy from IOVA @from to @to, then write the status to @done and interrupt. */
void start_engine(volatile uint32_t *engine, uint64_t from, uint64_t to,
		  uint32_t length, uint64_t done, uint32_t vector);

#endif /* MOCKGPU_GUEST_H */

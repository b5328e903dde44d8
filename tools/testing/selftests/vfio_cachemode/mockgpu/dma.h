/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory, as the device sees it: IOVA ranges that the client has mapped.
 */
#ifndef MOCKGPU_DMA_H
#define MOCKGPU_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dma_range {
	uint64_t iova;
	uint64_t size;
	uint8_t *memory;	/* NULL: the client gave no file to map */
	bool readable;
	bool writable;
};

struct dma {
	struct dma_range *ranges;	/* sorted by iova, disjoint */
	size_t count;
	size_t room;
};

/*
 * Map @size bytes of @fd (or none: -1) at @iova.  The file stays the caller's.
 * Return: 0, -EEXIST on an overlap, -EINVAL, -ENOSPC, -ENOMEM or mmap's errno.
 */
int dma_map(struct dma *dma, uint64_t iova, uint64_t size, int fd,
	    uint64_t offset, bool readable, bool writable);

/*
 * Unmap everything in a range.  Return: 0, or -EINVAL, with nothing unmapped,
 * if a mapping lies in it only in part.
 */
int dma_unmap(struct dma *dma, uint64_t iova, uint64_t size);

void dma_unmap_all(struct dma *dma);

/*
 * Copy between the device and guest memory.  A file that the client has cut
 * short is an error here and not a signal.
 * Return: 0 or -EFAULT; then a part may have been copied.
 */
int dma_read(const struct dma *dma, uint64_t iova, void *data, size_t size);
int dma_write(const struct dma *dma, uint64_t iova, const void *data,
	      size_t size);

#endif /* MOCKGPU_DMA_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA to and from the client's memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "dma.h"

#define DMA_RANGES_MAX	65535	/* the protocol's default */

/* The first range that ends after @iova. */
static size_t lookup(const struct dma *dma, uint64_t iova)
{
	size_t low = 0, high = dma->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct dma_range *r = &dma->ranges[middle];

		if (iova < r->iova + r->size)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static int make_room(struct dma *dma)
{
	size_t room = dma->room ? 2 * dma->room : 64;
	struct dma_range *ranges;

	if (dma->count < dma->room)
		return 0;
	if (dma->count >= DMA_RANGES_MAX)
		return -ENOSPC;
	ranges = realloc(dma->ranges, room * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	dma->ranges = ranges;
	dma->room = room;
	return 0;
}

int dma_map(struct dma *dma, uint64_t iova, uint64_t size, int fd,
	    uint64_t offset, bool readable, bool writable)
{
	struct dma_range range = {
		.iova = iova,
		.size = size,
		.readable = readable,
		.writable = writable,
	};
	size_t at;
	int ret;

	/* The last byte of the address space is not worth its overflow. */
	if (!size || iova + size <= iova || (iova | size | offset) & 4095 ||
	    offset + size < offset)
		return -EINVAL;
	at = lookup(dma, iova);
	if (at < dma->count && dma->ranges[at].iova < iova + size)
		return -EEXIST;
	ret = make_room(dma);
	if (ret)
		return ret;

	if (fd >= 0) {
		int prot = (readable ? PROT_READ : 0) |
			   (writable ? PROT_READ | PROT_WRITE : 0);
		struct stat st;

		if (fstat(fd, &st))
			return -errno;
		if (!S_ISREG(st.st_mode) || offset + size > (uint64_t)st.st_size)
			return -EINVAL;
		range.memory = mmap(NULL, size, prot, MAP_SHARED, fd, offset);
		if (range.memory == MAP_FAILED)
			return -errno;
	}
	memmove(&dma->ranges[at + 1], &dma->ranges[at],
		(dma->count - at) * sizeof(range));
	dma->ranges[at] = range;
	dma->count++;
	return 0;
}

int dma_unmap(struct dma *dma, uint64_t iova, uint64_t size)
{
	size_t first, last, i;

	if (!size || iova + size - 1 < iova)
		return -EINVAL;
	first = lookup(dma, iova);
	for (last = first; last < dma->count; last++) {
		const struct dma_range *r = &dma->ranges[last];

		if (r->iova > iova + size - 1)
			break;
		if (r->iova < iova || r->iova + r->size - 1 > iova + size - 1)
			return -EINVAL;
	}
	if (first == last)
		return 0;
	for (i = first; i < last; i++)
		if (dma->ranges[i].memory)
			munmap(dma->ranges[i].memory, dma->ranges[i].size);
	memmove(&dma->ranges[first], &dma->ranges[last],
		(dma->count - last) * sizeof(*dma->ranges));
	dma->count -= last - first;
	return 0;
}

void dma_unmap_all(struct dma *dma)
{
	dma_unmap(dma, 0, UINT64_MAX);
	free(dma->ranges);
	memset(dma, 0, sizeof(*dma));
}

/* The process has one thread, and this is the only place that waits for it. */
static sigjmp_buf fault;

static void on_sigbus(int signal)
{
	siglongjmp(fault, signal);
}

static int guarded_copy(void *to, const void *from, size_t size)
{
	struct sigaction action = { .sa_handler = on_sigbus }, old;
	volatile int ret = 0;

	sigaction(SIGBUS, &action, &old);
	if (sigsetjmp(fault, 1))
		ret = -EFAULT;
	else
		memcpy(to, from, size);
	sigaction(SIGBUS, &old, NULL);
	return ret;
}

static int dma_copy(const struct dma *dma, uint64_t iova, uint8_t *data,
		    size_t size, bool write)
{
	while (size) {
		size_t i = lookup(dma, iova);
		const struct dma_range *r;
		size_t part;
		int ret;

		if (i == dma->count)
			return -EFAULT;
		r = &dma->ranges[i];
		if (r->iova > iova || !r->memory ||
		    !(write ? r->writable : r->readable))
			return -EFAULT;
		part = r->iova + r->size - iova;
		if (part > size)
			part = size;
		if (write)
			ret = guarded_copy(r->memory + (iova - r->iova), data,
					   part);
		else
			ret = guarded_copy(data, r->memory + (iova - r->iova),
					   part);
		if (ret)
			return ret;
		iova += part;
		data += part;
		size -= part;
	}
	/*
	 * A device's writes become visible in order: what comes after this
	 * call, a status word or an interrupt, comes after these bytes.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	return 0;
}

int dma_read(const struct dma *dma, uint64_t iova, void *data, size_t size)
{
	return dma_copy(dma, iova, data, size, false);
}

int dma_write(const struct dma *dma, uint64_t iova, const void *data,
	      size_t size)
{
	return dma_copy(dma, iova, (uint8_t *)data, size, true);
}

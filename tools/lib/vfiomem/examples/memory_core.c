// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The shape of a VMM's memory core, on a memory space.
 *
 * The functions at the top have the names and duties that QEMU's have; below
 * them is a disk as a device model writes one. It reads 64 KiB into a device's
 * uncached memory through a budget of 4 KiB, in pieces, without ever failing.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfiomem.h"

/* ---- The memory core ----------------------------------------------------- */

struct address_space {
	struct vfiomem_pool *pool;
	struct vfiomem_space *space;
};

struct memory_region {
	struct vfiomem_range range;
	uint64_t id;
};

/* A device's mapping comes with what VFIO says of it; that is the cache mode. */
static void memory_region_init_ram_device_ptr(struct memory_region *mr,
					      uint64_t size, void *ptr,
					      struct vfiomem_attr attr)
{
	mr->range = (struct vfiomem_range){
		.size = size, .type = VFIOMEM_RANGE_DEVICE, .host = ptr, .attr = attr,
	};
}

static int memory_region_add_subregion(struct address_space *as, uint64_t addr,
				       struct memory_region *mr)
{
	mr->range.base = addr;
	return vfiomem_space_add(as->space, &mr->range, &mr->id);
}

/* The owner may free what is behind the region when this returns. */
static void memory_region_del_subregion(struct address_space *as,
					struct memory_region *mr)
{
	vfiomem_space_remove(as->space, mr->id);
	vfiomem_space_wait_unused(as->space, mr->id);
}

static int address_space_init(struct address_space *as, size_t max_bounce_buffer_size)
{
	struct vfiomem_pool_options po = {
		.size = sizeof(po), .budget = max_bounce_buffer_size,
	};
	struct vfiomem_space_options so = { .size = sizeof(so) };
	int ret = vfiomem_pool_create(&as->pool, &po);

	if (ret)
		return ret;
	so.pool = as->pool;
	return vfiomem_space_create(&as->space, &so);
}

static void address_space_destroy(struct address_space *as)
{
	vfiomem_space_destroy(as->space);
	vfiomem_pool_destroy(as->pool);
}

/* A transaction whose last bytes say that it is complete is seen in that order. */
static int address_space_write(struct address_space *as, uint64_t addr, bool strict,
			       const void *buf, uint64_t len)
{
	return vfiomem_space_write(as->space, addr, buf, len,
				   strict ? VFIOMEM_PUBLISH : VFIOMEM_RELAXED);
}

/* ---- A device model ------------------------------------------------------ */

/*
 * A read of the disk into guest memory, as a state machine: map what there is,
 * do the I/O, unmap, go on; when nothing can be mapped, wait to be called.
 */
struct dma_read {
	struct address_space *as;
	const unsigned char *disk;
	uint64_t addr;
	size_t left;
	struct vfiomem_piece piece;
	struct vfiomem_mapping mapping;
	struct vfiomem_space_waiter waiter;
	bool done;
};

static unsigned int waits;

static void dma_read_some(struct dma_read *dma)
{
	/* Here a disk would read; it fills all of the mapping. */
	memcpy(dma->mapping.ptr, dma->disk, dma->mapping.len);
	dma->disk += dma->mapping.len;
	dma->addr += dma->mapping.len;
	dma->left -= dma->mapping.len;
	vfiomem_space_unmap(dma->as->space, &dma->mapping, dma->mapping.len);
}

static void dma_read_run(struct dma_read *dma);

static void dma_read_granted(struct vfiomem_space_waiter *waiter, int result)
{
	struct dma_read *dma = (struct dma_read *)((char *)waiter -
						   offsetof(struct dma_read, waiter));

	if (result < 0)
		abort();
	dma_read_some(dma);
	dma_read_run(dma);
}

static void dma_read_run(struct dma_read *dma)
{
	while (dma->left) {
		int ret;

		dma->piece = (struct vfiomem_piece){ dma->addr, dma->left };
		dma->waiter = (struct vfiomem_space_waiter){
			.granted = dma_read_granted, .pieces = &dma->piece, .nr = 1,
			.flags = VFIOMEM_MAP_WRITE, .mappings = &dma->mapping,
			.how = {
				.min = 512, .granularity = 512, .owner = dma,
				.flags = VFIOMEM_GRANT_FILLED,
			},
		};
		ret = vfiomem_space_wait(dma->as->space, &dma->waiter);
		if (ret < 0)
			abort();
		if (!ret) {
			waits++;
			return;		/* dma_read_granted() goes on */
		}
		dma_read_some(dma);
	}
	dma->done = true;
}

int main(void)
{
	static _Alignas(4096) unsigned char bar[1 << 18];
	static unsigned char disk[1 << 16];
	struct dma_read requests[4];
	struct vfiomem_mapping other;
	struct memory_region mr;
	struct address_space as;
	bool good = true;

	for (unsigned int i = 0; i < sizeof(disk); i++)
		disk[i] = (unsigned char)(i * 7 + i / 256);
	/* The strictest there is: uncached, aligned, at most 8 bytes. */
	memory_region_init_ram_device_ptr(&mr, sizeof(bar), bar,
					  VFIOMEM_ATTR(VFIOMEM_NONCACHED, 8, 0));
	if (address_space_init(&as, 4096) ||
	    memory_region_add_subregion(&as, 0x100000000, &mr))
		return 1;

	/* Another device has all of the budget, when four requests come. */
	if (vfiomem_space_try_map(as.space, 0x100000000, 4096, VFIOMEM_MAP_READ, NULL, &other))
		return 1;
	for (unsigned int i = 0; i < 4; i++) {
		requests[i] = (struct dma_read){
			.as = &as, .disk = disk, .left = sizeof(disk),
			.addr = 0x100000000 + i * sizeof(disk),
		};
		dma_read_run(&requests[i]);
	}
	vfiomem_space_unmap(as.space, &other, 0);

	for (unsigned int i = 0; i < 4; i++)
		good = good && requests[i].done &&
		       !memcmp(bar + i * sizeof(disk), disk, sizeof(disk));
	if (address_space_write(&as, 0x100000000, true, "complete", 8) ||
	    memcmp(bar, "complete", 8))
		good = false;
	memory_region_del_subregion(&as, &mr);
	address_space_destroy(&as);
	printf("4 requests of 64 KiB within 4 KiB, %u waits: %s\n", waits,
	       good ? "all there" : "WRONG");
	return good ? 0 : 1;
}

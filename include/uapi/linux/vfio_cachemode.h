/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * VFIO region info capability: how user space's mapping of a region is cached.
 */
#ifndef _UAPI_LINUX_VFIO_CACHEMODE_H
#define _UAPI_LINUX_VFIO_CACHEMODE_H

#include <linux/types.h>
#include <linux/vfio.h>

/**
 * DOC: VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE
 *
 * VFIO_DEVICE_GET_REGION_INFO reports this capability, version 1, for each
 * BAR, and each emulated BAR, that has VFIO_REGION_INFO_FLAG_MMAP set.  It
 * says what the page tables of a mapping hold: the memory type in effect, not
 * the one that was asked for.  It is fixed from the first open of the device
 * to its last close.
 *
 * The areas are sorted by offset, do not overlap, and cover every mappable
 * byte once.  A region with more than one mode also has
 * VFIO_REGION_INFO_CAP_SPARSE_MMAP with one area for each area of this
 * capability, and an mmap() across a border of two areas is -EINVAL.
 *
 * Upstream VFIO has given out ids 1 to 5 and will give out 6.  Until it
 * assigns one to this capability the id is the one below.  A consumer checks
 * id, version and length, walks @areas by @area_size, and passes over what it
 * does not know.
 */
#define VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE		0xca01
#define VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE_VERSION	1

/**
 * enum vfio_mmap_cache_mode - memory type of a mapping
 *
 * The values are names, not an order.  A consumer that meets another value
 * treats the area's access bits as 0.
 *
 * @VFIO_MMAP_CACHE_MODE_NONCACHED: x86 UC or UC-; arm64 Device-nGnRnE.  Also
 *	what is reported, without access bits, for x86 WT and WP.
 * @VFIO_MMAP_CACHE_MODE_DEVICE: arm64 Device-nGnRE.
 * @VFIO_MMAP_CACHE_MODE_WRITECOMBINE: x86 WC; arm64 Normal Non-cacheable.
 * @VFIO_MMAP_CACHE_MODE_NORMAL: x86 WB; arm64 Normal Write-Back, cacheable and
 *	coherent.
 */
enum vfio_mmap_cache_mode {
	VFIO_MMAP_CACHE_MODE_NONCACHED		= 0,
	VFIO_MMAP_CACHE_MODE_DEVICE		= 1,
	VFIO_MMAP_CACHE_MODE_WRITECOMBINE	= 2,
	VFIO_MMAP_CACHE_MODE_NORMAL		= 3,
};

/*
 * What user space may do to an area: a mode alone does not say it on every
 * CPU and for every device.  A consumer ignores bits that it does not know.
 */
/* An unaligned access does not fault.  The CPU may still split it. */
#define VFIO_MMAP_ACCESS_UNALIGNED		(1U << 0)
/* One access may be wider than 8 bytes. */
#define VFIO_MMAP_ACCESS_VECTOR			(1U << 1)
/* CPU read-modify-write instructions work.  NORMAL only. */
#define VFIO_MMAP_ACCESS_ATOMIC			(1U << 2)
/* The device bears repeated, speculative and prefetched reads. */
#define VFIO_MMAP_ACCESS_READ_IDEMPOTENT	(1U << 3)
/* The device bears combined, late and reordered writes. */
#define VFIO_MMAP_ACCESS_WRITE_MERGE		(1U << 4)
/* CPU caches and the device's own accesses are coherent. */
#define VFIO_MMAP_ACCESS_COHERENT		(1U << 5)
/* Instructions that zero a cache line, such as arm64 DC ZVA, work. */
#define VFIO_MMAP_ACCESS_ZERO_LINE		(1U << 6)

/**
 * struct vfio_mmap_cache_area - one mode's range of a region
 *
 * @offset: first byte, within the region; page aligned
 * @size: bytes, never 0; page aligned, except that the last area may end where
 *	the region does
 * @mode: enum vfio_mmap_cache_mode
 * @access: VFIO_MMAP_ACCESS_* bits
 * @max_width: the widest single access that the device takes, in bytes, a
 *	power of two; 0: no limit declared
 * @reserved: 0
 */
struct vfio_mmap_cache_area {
	__aligned_u64 offset;
	__aligned_u64 size;
	__u32 mode;
	__u32 access;
	__u32 max_width;
	__u32 reserved;
};

/**
 * struct vfio_region_info_cap_mmap_cache_mode - the capability
 *
 * @header: id VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE, version 1
 * @nr_areas: how many areas follow
 * @area_size: bytes from one area to the next, at least 32 and a multiple of
 *	8: entries may grow at their end
 * @areas: struct vfio_mmap_cache_area, at a stride of @area_size
 */
struct vfio_region_info_cap_mmap_cache_mode {
	struct vfio_info_cap_header header;
	__u32 nr_areas;
	__u32 area_size;
	struct vfio_mmap_cache_area areas[];
};

#endif /* _UAPI_LINUX_VFIO_CACHEMODE_H */

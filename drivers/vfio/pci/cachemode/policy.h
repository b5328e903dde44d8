/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policy: pure functions, from facts about platform and firmware to decisions.
 */
#ifndef _CACHEMODE_POLICY_H
#define _CACHEMODE_POLICY_H

#include <linux/types.h>
#include <uapi/linux/vfio_cachemode.h>

#define CACHEMODE_NR_MODES	(VFIO_MMAP_CACHE_MODE_NORMAL + 1)

/* What a page-table entry can hold beside enum vfio_mmap_cache_mode. */
#define CACHEMODE_MODE_OTHER	CACHEMODE_NR_MODES

/**
 * enum cachemode_backing - what is behind a region
 * @CACHEMODE_BACKING_COHERENT: memory that firmware declares coherent
 * @CACHEMODE_BACKING_CARVE_OUT: the part of it that must not be cached
 * @CACHEMODE_BACKING_PREFETCHABLE: a prefetchable BAR
 * @CACHEMODE_BACKING_REGISTERS: any other BAR
 */
enum cachemode_backing {
	CACHEMODE_BACKING_COHERENT,
	CACHEMODE_BACKING_CARVE_OUT,
	CACHEMODE_BACKING_PREFETCHABLE,
	CACHEMODE_BACKING_REGISTERS,
};

/**
 * struct cachemode_cpu - what a CPU can do to a mapping
 * @access: the VFIO_MMAP_ACCESS_* bits that the CPU alone decides
 *	(UNALIGNED, VECTOR, ATOMIC, ZERO_LINE), by mode
 */
struct cachemode_cpu {
	u32 access[CACHEMODE_NR_MODES];
};

/**
 * struct cachemode_split - how device memory is shown
 * @usable: bytes from the start that become region 4
 * @carve_out: bytes after them that become region 2, 0 for none
 */
struct cachemode_split {
	u64 usable;
	u64 carve_out;
};

int cachemode_policy_split(u64 base, u64 size, bool carve_out, u64 phys_max,
			   struct cachemode_split *split, const char **why);
enum vfio_mmap_cache_mode
cachemode_policy_mode(enum cachemode_backing backing);
u32 cachemode_policy_access(const struct cachemode_cpu *cpu,
			    enum cachemode_backing backing, unsigned int mode);

#endif /* _CACHEMODE_POLICY_H */

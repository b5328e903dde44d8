/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read back what the page tables hold.  For tests only: it tells any opener
 * physical addresses, so the module is never installed.
 */
#ifndef PTEWALK_H
#define PTEWALK_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PTEWALK_DEVICE	"/dev/ptewalk"

/**
 * struct ptewalk - one page-table entry
 *
 * @address: in: for PTEWALK_USER an address of the calling process; for
 *	PTEWALK_KERNEL where the search starts, 0 for the beginning.
 *	out, PTEWALK_KERNEL only: the kernel's address of @phys
 * @phys: physical address of the byte at @address; input for PTEWALK_KERNEL
 * @entry: the entry as it stands in memory
 * @size: bytes that the entry maps: 4 KiB (PTE), 2 MiB (PMD) or 1 GiB (PUD)
 * @mode: enum vfio_mmap_cache_mode
 * @writable: whether the entry lets its owner write
 * @type: the memory type in the architecture's words, from the entry and the
 *	CPU's own table of types (PAT, MAIR_EL1): "WB", "Device-nGnRE"
 */
struct ptewalk {
	__u64 address;
	__u64 phys;
	__u64 entry;
	__u64 size;
	__u32 mode;
	__u32 writable;
	char type[32];
};

/*
 * PTEWALK_USER: the entry that maps @address for the calling process.
 *	-ENOENT: nothing is mapped there yet; touch it first
 *	-EINVAL: no pfn mapping (VM_PFNMAP)
 *	-EFAULT: no mapping at all
 * PTEWALK_KERNEL: the next mapping of @phys, at @address or above, in the
 *	kernel's ioremap and vmap area.  To see all: go on at @address + 1.
 *	-ENOENT: there is none
 */
#define PTEWALK_USER	_IOWR('w', 0xe0, struct ptewalk)
#define PTEWALK_KERNEL	_IOWR('w', 0xe1, struct ptewalk)

#endif /* PTEWALK_H */

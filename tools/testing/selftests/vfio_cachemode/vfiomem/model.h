/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract of libvfiomem's copies, as a judge of access sequences.
 *
 * Written from the five promises alone.  It knows nothing of how the library
 * does its work: a sequence of accesses is legal here if and only if the
 * contract allows it.
 */
#ifndef VFIOMEM_MODEL_H
#define VFIOMEM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vfio_cachemode.h>

enum model_arch {
	MODEL_X86,
	MODEL_ARM64,
	MODEL_RISCV64,
	MODEL_PPC64LE,
};

enum model_dir {
	MODEL_READ,
	MODEL_WRITE,
};

enum model_order {
	MODEL_RELAXED,
	MODEL_PUBLISH,		/* writes */
	MODEL_ACQUIRE,		/* reads */
	MODEL_ASCENDING,
};

/* What one instruction did. */
enum model_kind {
	MODEL_LOAD	= 1 << 0,
	MODEL_STORE	= 1 << 1,
	MODEL_BARRIER	= 1 << 2,
};

enum model_flag {
	MODEL_STRING		= 1 << 0,	/* x86 rep movs, rep stos */
	MODEL_NONTEMPORAL	= 1 << 1,	/* x86 movnt*: in no order */
	MODEL_PAIR		= 1 << 2,	/* arm64 ldp, stp */
	MODEL_SIMD		= 1 << 3,	/* a vector register */
	MODEL_MASKED		= 1 << 4,	/* only the bytes that a mask selects */
	MODEL_ACQ_REL		= 1 << 5,	/* arm64 ldar, stlr */
	MODEL_ZERO_LINE		= 1 << 6,	/* arm64 dc zva, ppc dcbz */
	MODEL_RMW		= 1 << 7,	/* reads and writes */
};

/*
 * Barriers, by what they hold in order.  An instruction may have several bits:
 * x86 mfence has all of its architecture.
 */
enum model_barrier {
	MODEL_ORDERS_STORES	= 1 << 0,	/* stores before it with stores after it */
	MODEL_ORDERS_LOADS	= 1 << 1,	/* loads before it with loads after it */
	MODEL_OUTER		= 1 << 2,	/* as seen by devices too, not CPUs alone */
	MODEL_COMPLETES		= 1 << 3,	/* waits until they have happened (arm64 dsb) */
	MODEL_DRAINS_WC		= 1 << 4,	/* empties write-combining buffers */
};

struct model_event {
	uint64_t addr;
	uint32_t width;		/* bytes touched; 0 for a barrier */
	uint8_t kind;		/* enum model_kind */
	uint8_t barrier;	/* enum model_barrier */
	uint16_t flags;		/* enum model_flag */
};

/* One side of one call. */
struct model_side {
	enum model_arch arch;
	enum model_dir dir;
	enum model_order order;
	uint64_t p;
	size_t n;
	unsigned int mode;	/* enum vfio_mmap_cache_mode */
	unsigned int access;	/* VFIO_MMAP_ACCESS_* */
	unsigned int max_width;	/* 0: none declared */
	unsigned int vector;	/* the CPU's widest vector access; 8 if it has none */
	unsigned int atomic;	/* widest access that the CPU documents as atomic: 8 or 16 */
	unsigned int width;	/* W, if the library declares less; or 0 */
	unsigned int granule;	/* of PUBLISH and ACQUIRE; 0: the default */
	bool watched;		/* false: nobody looks, only the bytes count */
};

/* The widest access that the contract allows on this side (its W). */
unsigned int model_width(const struct model_side *s);

/* The granule of PUBLISH and ACQUIRE. */
unsigned int model_granule(const struct model_side *s);

/* Promise 4: how many accesses [p, p + n) takes at most W bytes wide each. */
size_t model_minimum(uint64_t p, size_t n, unsigned int W);

/* How many accesses this side's call may take at most. */
size_t model_count(const struct model_side *s);

/*
 * Judge what one call did on one side: its accesses there, in the order in
 * which they were executed, with the barriers between them.
 *
 * Return: NULL if the contract allows it, else which promise is broken.
 */
const char *model_judge(const struct model_side *s,
			const struct model_event *ev, size_t count);

#endif /* VFIOMEM_MODEL_H */

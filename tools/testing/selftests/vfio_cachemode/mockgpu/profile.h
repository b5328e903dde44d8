/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a device is: a table entry a part.
 */
#ifndef MOCKGPU_PROFILE_H
#define MOCKGPU_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "rules.h"

enum profile_bar_flags {
	BAR_64		= 1,	/* takes the next BAR's register too */
	BAR_PREFETCH	= 2,
	BAR_MAPPED	= 4,	/* QEMU maps it: its accesses are not seen */
};

struct profile_bar {
	uint64_t size;		/* a power of two, at least 4096; 0: no BAR */
	unsigned int flags;
};

/* How a part says that its memory may be used. */
enum profile_ready {
	READY_NONE,
	READY_REGISTERS,	/* BAR 0: C2C link and memory training */
	READY_CXL_DVSEC,	/* CXL device DVSEC: memory valid and active */
};

/* NVIDIA's DVSEC that tells whether MIG works with cached memory. */
enum profile_mig {
	MIG_NO_DVSEC,
	MIG_BROKEN,
	MIG_FIXED,
};

struct profile_msix {
	uint16_t vectors;	/* 0: none */
	uint8_t bar;
	uint32_t table;
	uint32_t pba;
};

#define PROFILE_RULES	6

struct profile {
	const char *name;
	uint16_t vendor;
	uint16_t device;
	uint32_t class;
	struct profile_bar bars[6];
	uint8_t msi_vectors;	/* 0: none; else a power of two up to 32 */
	struct profile_msix msix;
	enum profile_ready ready;
	enum profile_mig mig;
	uint32_t engine;	/* offset of the DMA engine in BAR 0; 0: none */
	struct rule_spec rules[PROFILE_RULES];
};

/* NULL if there is no such profile. */
const struct profile *profile_find(const char *name);

/* The table, ending in an entry without a name. */
extern const struct profile profiles[];

#endif /* MOCKGPU_PROFILE_H */

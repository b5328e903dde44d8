// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parts that the mock can be.
 */
#include <string.h>

#include "profile.h"

#define NVIDIA		0x10de
#define CLASS_3D	0x030200
#define CLASS_ETHERNET	0x020000
#define CLASS_OTHER	0xff0000

/*
 * The physical BAR 4 of a coherent part is shadowed by its memory, and BAR 2 by
 * the carve-out where there is one: whoever reaches them has gone past the
 * driver.
 */
#define COHERENT_GPU(_name, _device, _mig, _bar2_rule, _ready) {	\
	.name = _name,							\
	.vendor = NVIDIA,						\
	.device = _device,						\
	.class = CLASS_3D,						\
	.bars = {							\
		[0] = { 16 << 20, 0 },					\
		[2] = { 64 << 10, BAR_64 | BAR_PREFETCH },		\
		[4] = { 64 << 10, BAR_64 | BAR_PREFETCH },		\
	},								\
	.msi_vectors = 4,						\
	.ready = _ready,						\
	.mig = _mig,							\
	.engine = 0x100000,						\
	.rules = {							\
		{ RULE_ALIGN, 0, 0, 0, 16 << 20 },			\
		{ _bar2_rule, 2, 0, 0, 64 << 10 },			\
		{ RULE_FORBIDDEN, 4, 0, 0, 64 << 10 },			\
	},								\
}

const struct profile profiles[] = {
	COHERENT_GPU("gh200", 0x2342, MIG_BROKEN, RULE_FORBIDDEN,
		     READY_REGISTERS),
	/* The same without a DVSEC to say so. */
	COHERENT_GPU("gh200-480", 0x2345, MIG_NO_DVSEC, RULE_FORBIDDEN,
		     READY_REGISTERS),
	COHERENT_GPU("gh200-mig", 0x2348, MIG_FIXED, RULE_NONE,
		     READY_REGISTERS),
	COHERENT_GPU("gb200", 0x2941, MIG_FIXED, RULE_NONE, READY_REGISTERS),
	COHERENT_GPU("gb300", 0x31c2, MIG_FIXED, RULE_NONE, READY_REGISTERS),
	/* No id of a CXL part is known: this one is made up. */
	COHERENT_GPU("cxl", 0xcc01, MIG_FIXED, RULE_NONE, READY_CXL_DVSEC),
	{
		/* The registers of a NIC whose bus interface is 32 bits wide. */
		.name = "nic",
		.vendor = 0x10ec,
		.device = 0x8168,
		.class = CLASS_ETHERNET,
		.bars = {
			[2] = { 4 << 10, BAR_64 },
			[4] = { 16 << 10, BAR_64 | BAR_PREFETCH },
		},
		.msi_vectors = 1,
		.rules = {
			{ RULE_WIDTH, 2, 4, 0, 4 << 10 },
			{ RULE_ALIGN, 2, 0, 0, 4 << 10 },
			{ RULE_WIDTH, 4, 4, 0, 16 << 10 },
		},
	},
	{
		/* Made up: ids that nobody has been given. */
		.name = "msix-middle",
		.vendor = 0x1234,
		.device = 0xca01,
		.class = CLASS_OTHER,
		.bars = {
			[0] = { 64 << 10, BAR_64 | BAR_PREFETCH },
		},
		.msix = { 16, 0, 0x8000, 0x9000 },
		.engine = 0xc000,
	},
	{
		.name = "doorbell",
		.vendor = 0x1234,
		.device = 0xca02,
		.class = CLASS_OTHER,
		.bars = {
			[0] = { 64 << 10, 0 },
			[2] = { 1 << 20, BAR_64 | BAR_PREFETCH | BAR_MAPPED },
			[4] = { 16 << 10, BAR_64 },
		},
		.msix = { 4, 4, 0, 0x2000 },
		.engine = 0x8000,
		.rules = {
			{ RULE_PAYLOAD, 0, 0, 0x1000, 0x1004 },
			{ RULE_ONCE, 0, 0, 0x1000, 0x1004 },
		},
	},
	{ .name = NULL },
};

const struct profile *profile_find(const char *name)
{
	const struct profile *profile;

	for (profile = profiles; profile->name; profile++)
		if (!strcmp(profile->name, name))
			return profile;
	return NULL;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Whether this CPU promises atomic pairs.
 */
#include <sys/auxv.h>

#include "../../internal.h"

unsigned int vfiomem_arm64_isa;

/* Threads may get here at the same time: all find the same. */
unsigned int vfiomem_arm64_detect(void)
{
	unsigned int isa = ARM64_KNOWN;

	/* The kernel's name for FEAT_LSE2. */
	if (getauxval(AT_HWCAP) & HWCAP_USCAT)
		isa |= ARM64_LSE2;
	__atomic_store_n(&vfiomem_arm64_isa, isa, __ATOMIC_RELAXED);
	return isa;
}

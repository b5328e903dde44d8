// SPDX-License-Identifier: GPL-2.0-only
/* The tracer's view of a ppc64le CPU. */
#include <stdlib.h>

#include "trace.h"

const uint64_t trace_slots = 0x11000000;
const unsigned int trace_breakpoint_skip;

uint64_t *trace_pc(ucontext_t *uc)
{
	return (uint64_t *)&uc->uc_mcontext.gp_regs[32];	/* PT_NIP */
}

uint64_t *trace_reg(ucontext_t *uc, int number)
{
	return (uint64_t *)&uc->uc_mcontext.gp_regs[number];
}

uint64_t trace_mask(ucontext_t *uc, int number)
{
	(void)uc;
	(void)number;
	abort();	/* no masked instruction is decoded here */
}

size_t trace_breakpoint(void *at)
{
	*(uint32_t *)at = 0x7fe00008;	/* trap */
	return 4;
}

bool trace_resume(void *at, int reg, uint64_t to)
{
	uint32_t *p = at;

	if (reg >= 0)		/* addis reg, reg, -TRACE_DELTA >> 16 */
		*p++ = 0x3c000000 | reg << 21 | reg << 16 | 0xffff;
	*p = 0x48000000 | ((to - (uint64_t)p) & 0x3fffffc);	/* b */
	return true;
}

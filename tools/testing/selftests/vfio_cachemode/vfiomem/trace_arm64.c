// SPDX-License-Identifier: GPL-2.0-only
/* The tracer's view of an arm64 CPU.  Register 31 is sp: bases only. */
#include <stdlib.h>

#include "trace.h"

const uint64_t trace_slots = 0x4000000;
const unsigned int trace_breakpoint_skip;

uint64_t *trace_pc(ucontext_t *uc)
{
	return (uint64_t *)&uc->uc_mcontext.pc;
}

uint64_t *trace_reg(ucontext_t *uc, int number)
{
	return number == 31 ? (uint64_t *)&uc->uc_mcontext.sp :
			      (uint64_t *)&uc->uc_mcontext.regs[number];
}

uint64_t trace_mask(ucontext_t *uc, int number)
{
	(void)uc;
	(void)number;
	abort();	/* no masked instruction is decoded here */
}

size_t trace_breakpoint(void *at)
{
	*(uint32_t *)at = 0xd4200000;	/* brk #0 */
	return 4;
}

bool trace_resume(void *at, int reg, uint64_t to)
{
	uint32_t *p = at;

	if (reg >= 0)		/* sub reg, reg, #TRACE_DELTA */
		*p++ = 0xd1400000 | (TRACE_DELTA >> 12) << 10 | reg << 5 | reg;
	*p = 0x14000000 | ((to - (uint64_t)p) >> 2 & 0x3ffffff);	/* b */
	return true;
}

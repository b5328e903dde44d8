// SPDX-License-Identifier: GPL-2.0-only
/* The tracer's view of a riscv64 CPU. */
#include <stdlib.h>

#include "trace.h"

const uint64_t trace_slots = 0x4000000;
const unsigned int trace_breakpoint_skip;

uint64_t *trace_pc(ucontext_t *uc)
{
	return (uint64_t *)&uc->uc_mcontext.__gregs[REG_PC];
}

uint64_t *trace_reg(ucontext_t *uc, int number)
{
	/* __gregs[0] is the pc; x0 is no base and no index. */
	return (uint64_t *)&uc->uc_mcontext.__gregs[number];
}

uint64_t trace_mask(ucontext_t *uc, int number)
{
	(void)uc;
	(void)number;
	abort();	/* no masked instruction is decoded here */
}

size_t trace_breakpoint(void *at)
{
	*(uint16_t *)at = 0x9002;	/* c.ebreak */
	return 2;
}

/* No immediate is large enough. */
bool trace_resume(void *at, int reg, uint64_t to)
{
	(void)at;
	(void)reg;
	(void)to;
	return false;
}

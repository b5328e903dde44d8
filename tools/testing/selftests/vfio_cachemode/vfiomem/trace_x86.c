// SPDX-License-Identifier: GPL-2.0-only
/* The tracer's view of an x86-64 CPU.  Registers are numbered as encoded. */
#include <cpuid.h>
#include <string.h>

#include "trace.h"

const uint64_t trace_slots = 0x70000000;
const unsigned int trace_breakpoint_skip = 1;	/* int3 is a trap, not a fault */

uint64_t *trace_pc(ucontext_t *uc)
{
	return (uint64_t *)&uc->uc_mcontext.gregs[REG_RIP];
}

uint64_t *trace_reg(ucontext_t *uc, int number)
{
	static const int reg[] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI,
		REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
		REG_R14, REG_R15,
	};

	return (uint64_t *)&uc->uc_mcontext.gregs[reg[number]];
}

/* k0...k7 are component 5 of the XSAVE area that the kernel puts on the stack. */
uint64_t trace_mask(ucontext_t *uc, int number)
{
	static unsigned int offset;
	unsigned int a, c, d;
	const uint8_t *area = (const uint8_t *)uc->uc_mcontext.fpregs;
	uint64_t present, mask;

	if (!offset)
		__cpuid_count(0xd, 5, a, offset, c, d);
	memcpy(&present, area + 512, sizeof(present));
	if (!(present & (1 << 5)))
		return 0;
	memcpy(&mask, area + offset + 8 * number, sizeof(mask));
	return mask;
}

size_t trace_breakpoint(void *at)
{
	*(uint8_t *)at = 0xcc;
	return 1;
}

bool trace_resume(void *at, int reg, uint64_t to)
{
	uint8_t *p = at;
	int32_t delta = -TRACE_DELTA, distance;

	if (reg >= 0) {		/* lea -TRACE_DELTA(reg), reg */
		*p++ = 0x48 | (reg >= 8 ? 5 : 0);
		*p++ = 0x8d;
		*p++ = 0x80 | (reg & 7) << 3 | (reg & 7);
		if ((reg & 7) == 4)
			*p++ = 0x24;
		memcpy(p, &delta, sizeof(delta));
		p += sizeof(delta);
	}
	*p++ = 0xe9;		/* jmp */
	distance = to - ((uint64_t)p + sizeof(distance));
	memcpy(p, &distance, sizeof(distance));
	return true;
}
